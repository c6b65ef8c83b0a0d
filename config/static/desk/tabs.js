// Unfold folds tabs away while a page is still being laid out; measure again until none more comes back.
"use strict";

window.addEventListener("load", () => {
  const dropdown = document.getElementById("tabs-dropdown");
  let left = 30;
  const unfold = () => {
    if (!dropdown?.childElementCount || (left -= 1) < 0) return;
    window.dispatchEvent(new Event("resize"));
    requestAnimationFrame(unfold);
  };
  unfold();
});
