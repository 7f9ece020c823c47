// The host of the frames that show apps' pages: does what their bridge asks, as Jira does. It has to be there before them.
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const colorMode = () => (dark.matches ? "dark" : "light");
  const frames = () => [...document.querySelectorAll("iframe.app")];

  const commands = {
    async invoke({ dataset }, request) {
      const body = JSON.stringify({ module: dataset.module, issue: dataset.issue, request });
      const headers = { "Content-Type": "application/json" };
      const answer = await (await fetch(dataset.invoke, { method: "POST", headers, body })).json();
      if (!answer.success) throw new Error(answer.rejected ?? answer.detail);
      return answer;
    },
    getContext({ dataset }) {
      const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
      const theme = { colorMode: colorMode() };
      return { ...JSON.parse(dataset.context), locale: navigator.language, timezone: timeZone, theme };
    },
    enableTheming(frame) {
      frame.dataset.themed = "";
      theme(frame);
    },
    navigate(_, { url, type }) {
      if (type === "new-tab") open(url, "_blank", "noopener");
      else location.assign(url);
    },
    reload() {
      location.reload();
    },
    fit(frame, height) {
      frame.style.height = `${Math.ceil(height)}px`;
    },
  };

  function theme(frame) {
    frame.contentWindow.postMessage({ colorMode: colorMode() }, "*");
  }

  addEventListener("message", async ({ source, data: { id, command, payload } }) => {
    const frame = frames().find((one) => one.contentWindow === source);
    if (!frame) return;
    const answer = { id };
    try {
      if (!Object.hasOwn(commands, command)) throw new Error(`The sandbox's bridge has no ${command}.`);
      answer.value = await commands[command](frame, payload);
    } catch (error) {
      answer.error = error.message;
    }
    if (id) source.postMessage(answer, "*");
  });

  dark.addEventListener("change", () => frames().filter((one) => "themed" in one.dataset).forEach(theme));
})();
