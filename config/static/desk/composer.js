// Beside each body: fields to insert, and the message as it is being written.
"use strict";

(() => {
  const settings = document.getElementById("desk-composer");
  if (!settings) return;
  const words = settings.dataset;
  const fields = JSON.parse(document.getElementById("composer-fields").textContent);
  const token = () => document.querySelector("[name=csrfmiddlewaretoken]").value;

  const make = (tag, attributes = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  };

  const insert = (body, text) => {
    body.setRangeText(text, body.selectionStart, body.selectionEnd, "end");
    body.dispatchEvent(new Event("input", { bubbles: true }));
    body.focus();
  };

  const picker = (body) => {
    const select = make("select", { "aria-label": words.insert }, make("option", { value: "" }, `${words.insert} …`),
      ...fields.map(([key, label]) => make("option", { value: key }, label)));
    select.addEventListener("change", () => {
      if (select.value) insert(body, `{{ contact.${select.value} | default: '' }}`);
      select.value = "";
    });
    return select;
  };

  const live = (body, bar) => {
    const prefix = body.name.slice(0, -"body".length);
    const part = (name) => document.querySelector(`[name="${prefix}${name}"]`);
    const parts = ["language", "layout", "markup", "subject", "preheader", "body"];
    const frame = make("iframe", { class: "desk-frame", sandbox: "", referrerpolicy: "no-referrer", title: words.message });
    const subject = make("p", { class: "desk-live-subject" });
    const problem = make("p", { class: "desk-error", role: "status" });
    const pane = make("div", { class: "desk-live", hidden: "" }, subject, problem, frame);
    const button = make("button", { type: "button", "aria-expanded": "false" }, words.live);
    let waiting = 0;
    let asked = 0;
    const look = async () => {
      const sent = new FormData();
      sent.set("csrfmiddlewaretoken", token());
      for (const name of parts) sent.set(name, part(name)?.value ?? "");
      const number = (asked += 1);
      const answer = await fetch(words.liveUrl, { method: "POST", body: sent, credentials: "same-origin" });
      if (!answer.ok || number !== asked) return;
      const seen = await answer.json();
      problem.textContent = seen.problem ?? "";
      if (seen.problem) return;
      subject.textContent = seen.subject;
      frame.srcdoc = seen.html;
    };
    const soon = () => {
      clearTimeout(waiting);
      if (!pane.hidden) waiting = setTimeout(look, 400);
    };
    button.addEventListener("click", () => {
      pane.hidden = !pane.hidden;
      button.setAttribute("aria-expanded", String(!pane.hidden));
      soon();
    });
    for (const name of parts) part(name)?.addEventListener("input", soon);
    bar.append(button);
    return pane;
  };

  const dress = (body) => {
    if (body.dataset.dressed || body.name.includes("__prefix__")) return;
    body.dataset.dressed = "yes";
    const bar = make("div", { class: "desk-composer-bar" }, picker(body));
    body.before(bar);
    if (words.liveUrl) body.after(live(body, bar));
  };

  const dressAll = () => document.querySelectorAll("textarea[name$='-body']").forEach(dress);
  dressAll();
  document.addEventListener("formset:added", dressAll);
})();
