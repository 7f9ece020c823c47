// In the frame of an app's page, before anything else: the bridge that Atlassian puts there, answered by the host.
(() => {
  const waiting = new Map();
  let asked = 0;

  function callBridge(command, payload) {
    return new Promise((resolve, reject) => {
      waiting.set(++asked, { resolve, reject });
      parent.postMessage({ id: asked, command, payload }, "*");
    });
  }

  addEventListener("message", ({ source, data }) => {
    if (source !== parent) return;
    if (data.colorMode) document.documentElement.dataset.colorMode = data.colorMode;
    const caller = waiting.get(data.id);
    waiting.delete(data.id);
    if (data.error) caller?.reject(new Error(data.error));
    else caller?.resolve(data.value);
  });

  globalThis.__bridge = { callBridge };
  // Jira fits a frame to its content where the module names no viewportSize.
  const fit = () => parent.postMessage({ command: "fit", payload: document.documentElement.offsetHeight }, "*");
  new ResizeObserver(fit).observe(document.documentElement);
})();
