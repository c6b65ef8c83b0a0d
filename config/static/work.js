// Does the small computation that a much used sign-up asks for, then sends the form.
// SHA-256("challenge:number") has to begin with the asked number of zero bits.
"use strict";

const form = document.querySelector("form[data-challenge]");

async function work(challenge, bits) {
  const encoder = new TextEncoder();
  for (let number = 0; ; number++) {
    const answer = `${challenge}:${number}`;
    const digest = new DataView(await crypto.subtle.digest("SHA-256", encoder.encode(answer)));
    if (digest.getUint32(0) >>> (32 - bits) === 0) return answer;
  }
}

if (form && window.crypto && crypto.subtle) {
  const answer = work(form.dataset.challenge, Number(form.dataset.bits));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    for (const button of form.querySelectorAll("button")) button.disabled = true;
    form.elements.work.value = await answer;
    form.submit();
  });
}
