// Unfold folds tabs away while a page is still being laid out; measure once more when it is.
"use strict";

window.addEventListener("load", () => {
  const folded = document.getElementById("tabs-dropdown")?.childElementCount ?? 0;
  for (let tab = 0; tab < folded; tab += 1) window.dispatchEvent(new Event("resize"));
});
