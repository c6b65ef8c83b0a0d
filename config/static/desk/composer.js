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

  const chosen = (name) => document.getElementById(`id_${name}`);
  const isText = () => chosen("channel")?.value === "sms";

  const insert = (body, text) => window.deskWriting.put(body, body.selectionStart, body.selectionEnd, text);

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
  // Without a fallback none is written, so that the list of checks asks for one.
  const written = (key, fallback) => {
    return fallback ? `{{ contact.${key} | default: ${quoted(fallback)} }}` : `{{ contact.${key} }}`;
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
    const tabs = ["desktop", "phone", "dark", "text"].map((kind) =>
      make("button", { type: "button", "aria-pressed": String(kind === "desktop"), "data-kind": kind }, words[kind]));
    const head = make("div", { class: "desk-live-head" }, make("div", { class: "desk-tabs", role: "group", "aria-label": words.message }, ...tabs));
    if (words.mayChoose) head.append(make("label", {}, `${words.person} `, person));
    if (words.readersUrl) window.deskReaders(person, words.readersUrl);
    const pane = make("div", { class: "desk-live", hidden: "" }, head, subject, problem, frame, text);
    const button = make("button", { type: "button", "aria-expanded": "false" }, words.live);
    let waiting = 0;
    let asked = 0;
    let html = "";
    let shown = "desktop";
    // Dark is asked for by the tab, whatever this browser prefers.
    const draw = () => {
      frame.srcdoc = html.replaceAll("(prefers-color-scheme: dark)", shown === "dark" ? "all" : "not all");
    };
    const look = async () => {
      const sent = new FormData();
      sent.set("csrfmiddlewaretoken", token());
      sent.set("person", person.value);
      for (const name of parts) sent.set(name, part(name)?.value ?? "");
      for (const name of ["channel", "topic", "sender"]) sent.set(name, chosen(name)?.value ?? "");
      const number = (asked += 1);
      const seen = await fetch(words.liveUrl, { method: "POST", body: sent, credentials: "same-origin" })
        .then((answer) => answer.json()).catch(() => ({ problem: words.away }));
      if (number !== asked) return;
      problem.textContent = seen.problem ?? "";
      if (seen.problem) return;
      subject.textContent = [seen.sender, seen.subject].filter(Boolean).join(" · ");
      html = seen.html;
      draw();
      text.textContent = seen.text;
    };
    const soon = () => {
      clearTimeout(waiting);
      if (!pane.hidden) waiting = setTimeout(look, 400);
    };
    const open = (isOpen) => {
      pane.hidden = !isOpen;
      button.setAttribute("aria-expanded", String(isOpen));
      soon();
    };
    button.addEventListener("click", () => open(pane.hidden));
    const show = (kind) => {
      for (const each of tabs) each.setAttribute("aria-pressed", String(each.dataset.kind === kind));
      frame.hidden = kind === "text";
      text.hidden = kind !== "text";
      frame.classList.toggle("desk-phone", kind === "phone");
      if ((shown === "dark") !== (kind === "dark")) { shown = kind; draw(); }
      shown = kind;
    };
    for (const tab of tabs) tab.addEventListener("click", () => show(tab.dataset.kind));
    // A text message is paid by its parts: how many there are is always in sight.
    const suit = () => {
      if (isText()) { show("phone"); open(true); } else soon();
    };
    for (const name of ["channel", "topic", "sender"]) chosen(name)?.addEventListener("change", suit);
    for (const name of parts) part(name)?.addEventListener("input", soon);
    person.addEventListener("input", soon);
    // Enter looks at once; it must not post the form around it.
    person.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); look(); } });
    bar.append(button);
    suit();
    return pane;
  };

  const dress = (body) => {
    if (body.dataset.dressed || body.name.includes("__prefix__")) return;
    body.dataset.dressed = "yes";
    const markup = document.querySelector(`[name="${body.name.slice(0, -"body".length)}markup"]`);
    const writing = window.deskWriting.bar(body, words, () => (isText() ? "text" : markup?.value));
    for (const choice of [markup, chosen("channel")]) choice?.addEventListener("change", writing.suit);
    const bar = make("div", { class: "desk-composer-bar", role: "group", "aria-label": words.tools }, writing.group, picker(body));
    if (words.imagesUrl) bar.append(imagePicker(body));
    if (isText() && !body.value) body.rows = 5;
    body.before(bar);
    body.after(live(body, bar));
  };

  const dressAll = () => document.querySelectorAll("textarea[name$='-body']").forEach(dress);
  dressAll();
  document.addEventListener("formset:added", dressAll);

  // What was written is kept in this browser, for this staff member, until the server has it: a session
  // may end, a window close.
  const form = document.getElementById("campaign_form");
  const place = `assent.words.${words.staff}.${location.pathname}`;
  // With the words, what is chosen for them.
  const WORDS = /(^name|-subject|-preheader|-body)$/;
  const CHOICES = /^(topic|channel|sender)$|-(language|layout|markup)$/;
  const parts = () => [...form.elements]
    .filter(({ name }) => (WORDS.test(name) || CHOICES.test(name)) && !name.includes("__prefix__"));
  const now = () => Object.fromEntries(parts().map((part) => [part.name, part.value]));
  const read = () => { try { return JSON.parse(localStorage.getItem(place)); } catch { return null; } };
  const wordsOf = (old) => Object.entries(old).filter(([name, value]) => WORDS.test(name) && value);
  const differs = (old) => wordsOf(old).some(([name, value]) => value !== (now()[name] ?? ""));
  // A language that was not saved has no place on the page yet.
  const makeRoom = (old) => {
    const wanted = Object.keys(old).filter((name) => name.endsWith("-body")).length;
    for (let more = wanted - parts().filter(({ name }) => name.endsWith("-body")).length; more > 0; more -= 1) {
      form.querySelector("#contents-group a.add-row")?.click();
    }
  };
  const offer = (old) => {
    const bring = make("button", { type: "button", class: "desk-button" }, words.bring);
    const discard = make("button", { type: "button", class: "desk-print" }, words.discard);
    const bar = make("div", { class: "desk-card desk-kept", role: "status" }, make("p", {}, words.kept),
      make("p", { class: "desk-quiet" }, wordsOf(old.words).map(([, value]) => value).join(" ").slice(0, 120)),
      make("div", { class: "desk-buttons" }, bring, discard));
    bring.addEventListener("click", () => {
      makeRoom(old.words);
      for (const [name, value] of Object.entries(old.words)) {
        const part = parts().find((each) => each.name === name);
        if (!part || part.value === value) continue;
        part.value = value;
        for (const kind of ["input", "change"]) part.dispatchEvent(new Event(kind, { bubbles: true }));
      }
      // Words are held against what was saved when they were written, not now.
      const seen = form.querySelector("[name='_seen']");
      if (seen && old.seen) seen.value = old.seen;
      bar.remove();
    });
    discard.addEventListener("click", () => { localStorage.removeItem(place); bar.remove(); });
    form.before(bar);
  };
  if (form && words.staff) {
    const saved = document.cookie.match(/(?:^|; )desk_saved=([^;]*)/)?.[1];
    const old = read();
    if (old && (old.id === saved || !differs(old.words))) localStorage.removeItem(place);
    else if (old) offer(old);
    const id = crypto.getRandomValues(new Uint32Array(2)).join("-");
    form.append(make("input", { type: "hidden", name: "_kept", value: id }));
    let waiting = 0;
    const keep = () => { try { localStorage.setItem(place, JSON.stringify({ id, words: now(), seen: form.querySelector("[name='_seen']")?.value })); } catch { /* no room */ } };
    form.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(keep, 500); });
    form.addEventListener("submit", () => { clearTimeout(waiting); if (read()?.id === id) keep(); });
  }
})();
