// Tools beside the body for whoever knows neither Markdown nor MJML by heart. What they do can be undone.
"use strict";

window.deskWriting = (() => {
  // Put text in place of a part of what is written, then select `from` to `to` within it.
  const put = (body, start, end, text, from = text.length, to = from) => {
    body.focus();
    body.setSelectionRange(start, end);
    if (!document.execCommand("insertText", false, text)) {
      body.setRangeText(text, start, end, "end");
      body.dispatchEvent(new Event("input", { bubbles: true }));
    }
    body.setSelectionRange(start + from, start + to);
  };

  const ADDRESS = "https://";
  // Around what is selected, or around words that stand for it and are selected to be written over. Where words
  // were selected, what is still to be written is the address, if there is one.
  const wrap = (body, words, before, after) => {
    const { selectionStart: start, selectionEnd: end } = body;
    const chosen = body.value.slice(start, end).trim();
    const text = before + (chosen || words) + after;
    const address = text.indexOf(ADDRESS);
    const [from, length] = chosen ? (address < 0 ? [text.length, 0] : [address, ADDRESS.length]) : [before.length, words.length];
    put(body, start, end, text, from, from + length);
  };
  const lines = (body, words, prefix) => {
    const start = body.value.lastIndexOf("\n", body.selectionStart - 1) + 1;
    const after = body.value.indexOf("\n", body.selectionEnd);
    const end = after < 0 ? body.value.length : after;
    const written = body.value.slice(start, end) || words;
    const text = written.split("\n").map((line) => prefix + line.replace(/^(#{1,6}|[-*]) +/, "")).join("\n");
    put(body, start, end, text, prefix.length, text.length);
  };
  // A paragraph of its own: empty lines around it, where there are none yet.
  const apart = (body, words, before, after) => {
    const head = body.value.slice(0, body.selectionStart);
    const tail = body.value.slice(body.selectionEnd);
    const gap = !head || head.endsWith("\n\n") ? "" : head.endsWith("\n") ? "\n" : "\n\n";
    wrap(body, words, gap + before, after + (!tail || tail.startsWith("\n\n") ? "" : tail.startsWith("\n") ? "\n" : "\n\n"));
  };

  const column = (words) => `  <mj-column>\n    <mj-text>${words}</mj-text>\n  </mj-column>\n`;
  const TOOLS = {
    heading: { markdown: (body, words) => lines(body, words, "## "), mjml: (body, words) => wrap(body, words, "<h2>", "</h2>") },
    bold: { key: "b", markdown: (body, words) => wrap(body, words, "**", "**"), mjml: (body, words) => wrap(body, words, "<strong>", "</strong>") },
    italic: { key: "i", markdown: (body, words) => wrap(body, words, "*", "*"), mjml: (body, words) => wrap(body, words, "<em>", "</em>") },
    list: { markdown: (body, words) => lines(body, words, "- "), mjml: (body, words) => wrap(body, words, "<ul>\n  <li>", "</li>\n</ul>") },
    link: { key: "k", markdown: (body, words) => wrap(body, words, "[", `](${ADDRESS})`), mjml: (body, words) => wrap(body, words, `<a href="${ADDRESS}">`, "</a>") },
    button: { markdown: (body, words) => apart(body, words, "**[", `](${ADDRESS})**`), mjml: (body, words) => wrap(body, words, `<mj-button href="${ADDRESS}">`, "</mj-button>") },
    section: { mjml: (body, words) => apart(body, words, "<mj-section>\n  <mj-column>\n    <mj-text>", "</mj-text>\n  </mj-column>\n</mj-section>") },
    columns: { mjml: (body, words) => apart(body, words, "<mj-section>\n  <mj-column>\n    <mj-text>", `</mj-text>\n  </mj-column>\n${column(words)}</mj-section>`) },
  };

  // The buttons for one body, and their keys; `labels` has the words of each, `markup` says how it is written.
  const bar = (body, labels, markup) => {
    const group = document.createElement("span");
    group.className = "desk-composer-group desk-writing";
    const use = (tool) => tool[markup()]?.(body, labels.words);
    const buttons = Object.entries(TOOLS).map(([name, tool]) => {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: labels[name] });
      button.dataset.tool = name;
      if (tool.key) button.setAttribute("aria-keyshortcuts", `Control+${tool.key.toUpperCase()}`);
      button.addEventListener("click", () => use(tool));
      return button;
    });
    const suit = () => { for (const button of buttons) button.hidden = !TOOLS[button.dataset.tool][markup()]; };
    body.addEventListener("keydown", (event) => {
      if (!(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
      const tool = Object.values(TOOLS).find((each) => each.key === event.key.toLowerCase());
      if (tool?.[markup()]) { event.preventDefault(); use(tool); }
    });
    group.append(...buttons);
    suit();
    return { group, suit };
  };

  return { bar, put };
})();
