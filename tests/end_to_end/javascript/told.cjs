// An application that does what it is told: each line of its input is {"do": what, …}, and gets one line in return.
const { createInterface } = require("node:readline");

module.exports = async (abilities) => {
  for await (const line of createInterface({ input: process.stdin })) {
    const told = JSON.parse(line);
    let answer;
    try {
      answer = { said: (await abilities[told.do](told)) ?? null };
    } catch (error) {
      answer = { failed: String(error?.message ?? error) };
    }
    console.log(JSON.stringify(answer));
  }
  process.exit(0);
};
