// Shows the answer of "Check the bundle" where the link stands; without it the link opens a page.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("[data-metarec-check]").forEach((link) => {
    const said = document.getElementById(link.dataset.metarecCheck);
    link.addEventListener("click", async (event) => {
      event.preventDefault();
      said.hidden = false;
      said.className = "metarec-note";
      said.textContent = link.dataset.waiting;
      try {
        const response = await fetch(link.href, { headers: { Accept: "application/json" } });
        if (!response.ok) throw new Error(response.statusText);
        const answer = await response.json();
        said.textContent = answer.said;
        said.classList.add(answer.whole ? "metarec-good" : "metarec-bad");
      } catch {
        said.textContent = link.dataset.failed;
        said.classList.add("metarec-bad");
      }
    });
  });
});
