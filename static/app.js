// Progressive enhancement only: every page works without this file.
(() => {
  const all = (selector) => document.querySelectorAll(selector);

  // The error summary has autofocus; a browser that ignores it on a <div> is helped once it has had its turn.
  const summary = document.querySelector(".error-summary");
  const focusSummary = () => document.activeElement === document.body && summary.focus();
  if (summary) addEventListener("load", () => setTimeout(focusSummary, 200));

  // A page with errors answered a POST: make it an address, so that «back» shows the form instead of asking to resend it.
  if (summary) history.replaceState(history.state, "", location.href);

  // A line for screen readers beside a control that has just done something.
  function announcer(after) {
    const line = document.createElement("span");
    line.className = "vh";
    line.setAttribute("aria-live", "polite");
    after.after(line);
    return line;
  }

  // Show and hide a password; it is hidden again before it is sent and when the page comes back from the history.
  for (const button of all("[data-pw-toggle]")) {
    const input = document.getElementById(button.getAttribute("aria-controls"));
    const line = announcer(button);
    const words = button.dataset;
    const show = (visible) => {
      input.type = visible ? "text" : "password";
      button.textContent = visible ? words.hide : words.show;
      button.setAttribute("aria-label", visible ? words.hideLabel : words.showLabel);
    };
    button.hidden = false;
    button.addEventListener("click", () => {
      const visible = input.type === "password";
      show(visible);
      line.textContent = visible ? words.shown : words.hidden;
    });
    input.form.addEventListener("submit", () => show(false));
    addEventListener("pageshow", (event) => event.persisted && show(false));
  }

  // The password's rules tick themselves while one types; they are read on demand, not announced at every key.
  const rules = {
    len: (text) => Array.from(text).length >= 8,
    len12: (text) => Array.from(text).length >= 12,
    digit: (text) => /\p{Nd}/u.test(text),
    lower: (text) => /\p{Ll}/u.test(text),
    upper: (text) => /\p{Lu}/u.test(text),
    special: (text) => /[^\p{L}\p{Nd}]/u.test(text),
  };
  for (const list of all("[data-pw-rules]")) {
    const input = document.getElementById(list.dataset.pwRules);
    const tick = () => {
      for (const item of list.querySelectorAll("[data-rule]")) {
        const met = rules[item.dataset.rule]?.(input.value) ?? false;
        item.classList.toggle("met", met);
        item.querySelector(".tick").textContent = met ? "✓ " : "";
      }
    };
    input.addEventListener("input", tick);
    tick();
  }

  for (const button of all("[data-copy]")) {
    if (!navigator.clipboard) continue;
    const line = announcer(button);
    const name = button.textContent;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim());
      button.textContent = line.textContent = button.dataset.copied;
      setTimeout(() => {
        button.textContent = name;
        line.textContent = "";
      }, 4000);
    });
  }

  for (const button of all("[data-print]")) {
    button.hidden = false;
    button.addEventListener("click", () => print());
  }

  // Nobody can scan their own screen: on a phone the key for typing is open at once.
  if (matchMedia("(max-width: 47.99rem)").matches) for (const details of all(".open-on-phone")) details.open = true;

  // Two presses are one.
  for (const form of all("form")) {
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) return event.preventDefault();
      form.dataset.sent = "1";
      setTimeout(() => delete form.dataset.sent, 5000);
    });
    addEventListener("pageshow", (event) => event.persisted && delete form.dataset.sent);
  }

  // Five minutes before the end the session dialog asks (WCAG 2.2.1); afterwards the page says how to go on.
  for (const dialog of all("dialog[data-session]")) {
    const limit = Number(dialog.dataset.sessionLimit); // what one press of «Continuer» gives; less may be left by now
    const warning = Math.min(300, limit / 2);
    const shown = dialog.querySelector("[data-session-left]");
    const spoken = dialog.querySelector("[data-session-spoken]");
    let end = Date.now() + Number(dialog.dataset.session) * 1000;

    const text = (minutes) => (minutes === 1 ? shown.dataset.one : shown.dataset.many.replace("{n}", minutes));
    const leave = () => location.replace(location.href.split("#")[0]);
    const look = () => {
      const left = (end - Date.now()) / 1000;
      if (left <= 0) {
        clearInterval(clock);
        leave();
      } else if (left <= warning) {
        const minutes = Math.ceil(left / 60);
        shown.textContent = text(minutes);
        if ([2, 1].includes(minutes)) spoken.textContent = text(minutes);
        if (!dialog.open) dialog.showModal();
      }
    };
    const extend = async () => {
      const body = new URLSearchParams({ csrf_token: dialog.dataset.csrf });
      const answer = await fetch(dialog.dataset.extend, { method: "POST", body }).catch(() => null);
      if (!answer) return; // no network: the dialog stays, and so does the button
      if (!answer.ok) return leave();
      end = Date.now() + limit * 1000;
      spoken.textContent = "";
      dialog.close();
    };
    const clock = setInterval(look, 1000);
    document.addEventListener("visibilitychange", look);
    dialog.querySelector("[data-session-extend]").addEventListener("click", extend);
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      extend();
    });
  }
})();
