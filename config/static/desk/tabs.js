// Unfold folds tabs away while a page is still being laid out; for a second, whatever fits is brought back.
"use strict";

window.addEventListener("load", () => {
  const until = performance.now() + 1000;
  const unfold = () => {
    if (document.getElementById("tabs-dropdown")?.childElementCount) window.dispatchEvent(new Event("resize"));
    if (performance.now() < until) requestAnimationFrame(unfold);
  };
  unfold();
});
