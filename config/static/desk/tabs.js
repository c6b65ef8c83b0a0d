"use strict";

// What Unfold's pages lack for whoever hears them or reads them on a phone: landmarks with names, and labels
// that begin with a capital whatever their language.
document.addEventListener("DOMContentLoaded", () => {
  document.getElementById("main")?.setAttribute("role", "main");
  const menu = document.querySelector("[aria-controls=nav-sidebar]")?.getAttribute("aria-label");
  if (menu) document.getElementById("nav-sidebar-inner")?.setAttribute("aria-label", menu);
  for (const cell of document.querySelectorAll("td[data-label], th[data-label]")) {
    const label = cell.dataset.label;
    cell.dataset.label = label.charAt(0).toLocaleUpperCase() + label.slice(1);
  }
});

// Select2 draws its fields anew whenever it likes, each without a name.
function nameSearches() {
  const unnamed = ":is(.select2-search__field, .select2-selection[role=combobox]):not([aria-label], [aria-labelledby])";
  for (const field of document.querySelectorAll(unnamed)) {
    const select = field.closest(".select2-container")?.previousElementSibling;
    const row = field.closest(".field-line, .field-row, .form-row");
    const label = select?.labels?.[0] ?? row?.querySelector("label");
    if (label) field.setAttribute("aria-label", label.textContent.replace("*", "").trim());
  }
}

// Other scripts have drawn their parts by now, without names or with English ones.
window.addEventListener("load", () => {
  const heading = document.querySelector("h1")?.textContent.trim() ?? "";
  for (const scroller of document.querySelectorAll(".simplebar-content-wrapper")) {
    const nav = scroller.closest("nav");
    if (nav) for (const name of ["role", "aria-label"]) scroller.removeAttribute(name);
    else scroller.setAttribute("aria-label", heading);
  }
  nameSearches();
  new MutationObserver(nameSearches).observe(document.body, { childList: true, subtree: true });
});
