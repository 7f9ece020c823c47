// In place of `@forge/bridge` for pages that were not bundled with it: the part of it that pages most often need.
const call = (command, payload) => globalThis.__bridge.callBridge(command, payload);

export async function invokeRemote(request) {
  const { success, payload, error } = await call("invoke", { ...request, invokeType: "ui-remote-fetch" });
  return success ? payload : error;
}

export const view = {
  getContext: () => call("getContext"),
  theme: { enable: () => call("enableTheming") },
};

export const router = {
  open: (url) => call("navigate", { url, type: "new-tab" }),
  navigate: (url) => call("navigate", { url, type: "same-tab" }),
  reload: () => call("reload"),
};
