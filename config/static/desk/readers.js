// Offers some of those who would get a campaign, as it was saved, once somebody looks for a person to show it as.
"use strict";

window.deskReaders = (input, url) => {
  input.addEventListener("focus", async () => {
    if (!document.getElementById("desk-readers")) {
      const list = Object.assign(document.createElement("datalist"), { id: "desk-readers" });
      document.body.append(list);
      const answer = await fetch(url, { credentials: "same-origin" }).catch(() => null);
      const { readers } = answer?.ok ? await answer.json() : { readers: [] };
      list.append(...readers.map(([subject, called]) => new Option(called, subject)));
    }
    input.setAttribute("list", "desk-readers");
  }, { once: true });
};

for (const input of document.querySelectorAll("input[data-readers-url]")) window.deskReaders(input, input.dataset.readersUrl);
