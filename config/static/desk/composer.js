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

  // A field goes where one was writing last: the body, the subject or the preview line.
  const target = (body) => {
    const prefix = body.name.slice(0, -"body".length);
    let last = body;
    for (const name of ["subject", "preheader", "body"]) {
      const part = document.querySelector(`[name="${prefix}${name}"]`);
      part?.addEventListener("focus", () => { last = part; });
    }
    return () => last;
  };
  const quoted = (given) => {
    const text = given.replace(/[{}]/g, "");
    return text.includes("'") ? `"${text.replaceAll('"', "")}"` : `'${text}'`;
  };
  const written = (key, fallback) => {
    return `{{ contact.${key} | default: ${quoted(fallback)} }}`;
  };

  const picker = (body) => {
    const last = target(body);
    const select = make("select", { "aria-label": words.insert }, make("option", { value: "" }, `${words.insert} …`),
      ...fields.map(([key, label]) => make("option", { value: key }, label)));
    const fallback = make("input", { type: "text", "aria-label": words.fallback, placeholder: words.fallback, maxlength: "60" });
    const put = make("button", { type: "button" }, words.put);
    const go = () => {
      if (!select.value) { select.focus(); return; }
      insert(last(), written(select.value, fallback.value.trim()));
      select.value = fallback.value = "";
    };
    put.addEventListener("click", go);
    fallback.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); go(); } });
    return make("span", { class: "desk-composer-group" }, select, fallback, put);
  };

  const imagePicker = (body) => {
    const button = make("button", { type: "button", "aria-haspopup": "dialog" }, words.image);
    const markup = () => document.querySelector(`[name="${body.name.slice(0, -"body".length)}markup"]`)?.value;
    button.addEventListener("click", () => window.deskImages.pick((write) => insert(body, write(markup()))));
    return button;
  };

  const live = (body, bar) => {
    const prefix = body.name.slice(0, -"body".length);
    const part = (name) => document.querySelector(`[name="${prefix}${name}"]`);
    const parts = ["language", "layout", "markup", "subject", "preheader", "body"];
    const frame = make("iframe", { class: "desk-frame", sandbox: "", referrerpolicy: "no-referrer", title: words.message });
    const text = make("pre", { class: "desk-text", tabindex: "0", hidden: "" });
    const subject = make("p", { class: "desk-live-subject" });
    const problem = make("p", { class: "desk-error", role: "status" });
    const person = make("input", { type: "text", placeholder: words.pseudonym, "aria-label": words.person, maxlength: "36" });
    const tabs = ["desktop", "phone", "text"].map((kind) =>
      make("button", { type: "button", "aria-pressed": String(kind === "desktop"), "data-kind": kind }, words[kind]));
    const head = make("div", { class: "desk-live-head" }, make("div", { class: "desk-tabs", role: "group", "aria-label": words.message }, ...tabs));
    if (words.mayChoose) head.append(make("label", {}, `${words.person} `, person));
    const pane = make("div", { class: "desk-live", hidden: "" }, head, subject, problem, frame, text);
    const button = make("button", { type: "button", "aria-expanded": "false" }, words.live);
    let waiting = 0;
    let asked = 0;
    const look = async () => {
      const sent = new FormData();
      sent.set("csrfmiddlewaretoken", token());
      sent.set("person", person.value);
      for (const name of parts) sent.set(name, part(name)?.value ?? "");
      const number = (asked += 1);
      const answer = await fetch(words.liveUrl, { method: "POST", body: sent, credentials: "same-origin" });
      if (!answer.ok || number !== asked) return;
      const seen = await answer.json();
      problem.textContent = seen.problem ?? "";
      if (seen.problem) return;
      subject.textContent = seen.subject;
      frame.srcdoc = seen.html;
      text.textContent = seen.text;
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
    for (const tab of tabs) tab.addEventListener("click", () => {
      for (const each of tabs) each.setAttribute("aria-pressed", String(each === tab));
      const { kind } = tab.dataset;
      frame.hidden = kind === "text";
      text.hidden = kind !== "text";
      frame.classList.toggle("desk-phone", kind === "phone");
    });
    for (const name of parts) part(name)?.addEventListener("input", soon);
    person.addEventListener("input", soon);
    // Enter looks at once; it must not post the form around it.
    person.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); look(); } });
    bar.append(button);
    return pane;
  };

  const dress = (body) => {
    if (body.dataset.dressed || body.name.includes("__prefix__")) return;
    body.dataset.dressed = "yes";
    const bar = make("div", { class: "desk-composer-bar", role: "group", "aria-label": words.tools }, picker(body));
    if (words.imagesUrl) bar.append(imagePicker(body));
    body.before(bar);
    if (words.liveUrl) body.after(live(body, bar));
  };

  const dressAll = () => document.querySelectorAll("textarea[name$='-body']").forEach(dress);
  dressAll();
  document.addEventListener("formset:added", dressAll);
})();
