"use strict";

// What Unfold's pages lack for whoever hears them or reads them on a phone: a landmark, labels that begin
// with a capital whatever their language.
document.addEventListener("DOMContentLoaded", () => {
  const content = document.getElementById("content");
  if (content && !document.querySelector("main, [role=main]")) content.setAttribute("role", "main");
  for (const cell of document.querySelectorAll("td[data-label], th[data-label]")) {
    const label = cell.dataset.label;
    cell.dataset.label = label.charAt(0).toLocaleUpperCase() + label.slice(1);
  }
});

// Unfold folds tabs away while a page is still being laid out; for a second, whatever fits is brought back.
window.addEventListener("load", () => {
  const until = performance.now() + 1000;
  const unfold = () => {
    if (document.getElementById("tabs-dropdown")?.childElementCount) window.dispatchEvent(new Event("resize"));
    if (performance.now() < until) requestAnimationFrame(unfold);
  };
  unfold();
});
