// Answers an application's page, in whose frame this runs: has the sign-in changed? (OIDC Session Management §3.2)
(() => {
  const browserState = () => /(?:^|; )(?:__Host-)?idp_browser_state=([^;]*)/.exec(document.cookie)?.[1] ?? "";

  async function sha256(text) {
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
    return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  // The message is «client_id session_state»; the state is «hash.salt».
  async function judge(message, origin) {
    const [, clientId, hash, salt] = /^(.+) ([0-9a-f]{64})\.([\w-]+)$/.exec(message) ?? [];
    if (!salt || origin === "null") return "error";
    return (await sha256(`${clientId} ${origin} ${browserState()} ${salt}`)) === hash ? "unchanged" : "changed";
  }

  addEventListener("message", async (event) => {
    if (typeof event.data !== "string" || !event.source) return;
    const answer = await judge(event.data, event.origin).catch(() => "error");
    event.source.postMessage(answer, event.origin === "null" ? "*" : event.origin);
  });
})();
