// The dialog in which an image is uploaded or picked, and how it is shown. Answers with what to insert.
"use strict";

window.deskImages = (() => {
  const dialog = document.getElementById("desk-images");
  if (!dialog) return null;
  const part = (name) => dialog.querySelector(`[data-${name}]`);
  const box = dialog.querySelector(".desk-upload");
  const pictures = part("pictures");
  let chosen = null;
  let done = null;
  let waiting = 0;

  const escape = (text) => text.replace(/&/g, "&amp;").replace(/"/g, "&quot;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const written = (markup) => {
    const [width, url] = chosen.widths[part("width").selectedIndex];
    const alt = part("alt").value.trim().replace(/\s+/g, " ");
    if (markup === "mjml") return `<mj-image src="${url}" alt="${escape(alt)}" width="${width}px" />`;
    return `![${alt.replace(/([\\[\]])/g, "\\$1")}](${url})`;
  };

  const choose = (image, button) => {
    chosen = image;
    pictures.querySelectorAll("button").forEach((each) => each.setAttribute("aria-pressed", String(each === button)));
    part("width").replaceChildren(...image.widths.map(([width]) => new Option(`${width} px`, width)));
    part("alt").value = image.alt;
    part("chosen").hidden = false;
    part("put").focus();
  };
  const draw = (image) => {
    const picture = Object.assign(document.createElement("img"), { src: image.thumbnail, alt: "", loading: "lazy" });
    const button = Object.assign(document.createElement("button"), { type: "button", title: image.alt });
    button.setAttribute("aria-pressed", "false");
    button.setAttribute("aria-label", image.alt);
    button.append(picture);
    button.addEventListener("click", () => choose(image, button));
    const item = document.createElement("li");
    item.append(button);
    return item;
  };
  const load = async () => {
    const sought = part("search").value;
    const url = `${document.getElementById("desk-composer").dataset.imagesUrl}?q=${encodeURIComponent(sought)}`;
    const answer = await fetch(url, { credentials: "same-origin" });
    if (!answer.ok || sought !== part("search").value) return;
    const { images } = await answer.json();
    pictures.replaceChildren(...images.map(draw));
    part("none").hidden = images.length > 0;
  };
  const upload = async () => {
    const [file, alt] = box.querySelectorAll("input");
    const body = new FormData();
    body.set("csrfmiddlewaretoken", document.querySelector("[name=csrfmiddlewaretoken]").value);
    if (file.files[0]) body.set("file", file.files[0]);
    body.set("alt", alt.value);
    part("upload").disabled = true;
    part("problem").textContent = "";
    try {
      const answer = await fetch(box.dataset.uploadUrl, { method: "POST", body, credentials: "same-origin" });
      const kept = answer.ok ? await answer.json() : { problem: answer.statusText };
      if (kept.problem) { part("problem").textContent = kept.problem; return; }
      const item = draw(kept);
      pictures.prepend(item);
      part("none").hidden = true;
      file.value = alt.value = "";
      choose(kept, item.firstChild);
    } finally { part("upload").disabled = false; }
  };

  // The dialog stands inside no form: what is typed here is never posted with the campaign.
  document.body.append(dialog);
  part("close").addEventListener("click", () => dialog.close());
  part("upload")?.addEventListener("click", upload);
  part("search").addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(load, 300); });
  part("put").addEventListener("click", () => { const answer = done; dialog.close(); answer(written); });
  return { pick: (answer) => { done = answer; part("chosen").hidden = true; dialog.showModal(); load(); } };
})();
