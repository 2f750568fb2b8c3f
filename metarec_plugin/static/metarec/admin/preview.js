// Asks for the preview of a form while somebody writes, and puts it beside the form; without it the button does.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const WAIT = 600; // milliseconds without a key before it asks
  const form = document.querySelector("form[data-metarec-preview]");
  const lists = document.querySelector("[data-metarec-lists]");
  const status = document.querySelector("[data-metarec-status]");
  if (!form || !lists || !status) return;
  let timer = 0, asked = null;

  async function ask() {
    asked?.abort();
    const own = (asked = new AbortController());
    status.textContent = status.dataset.busy;
    try {
      const answer = await fetch(form.dataset.metarecPreview, {
        method: "POST",
        body: new FormData(form),
        credentials: "same-origin",
        redirect: "error",
        signal: own.signal,
      });
      if (!answer.ok) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      lists.replaceChildren(...page.body.childNodes);
      status.textContent = status.dataset.done;
    } catch (error) {
      if (error.name !== "AbortError") status.textContent = status.dataset.failed;
    }
  }

  function soon() {
    clearTimeout(timer);
    timer = setTimeout(ask, WAIT);
  }

  form.addEventListener("input", soon);
  form.addEventListener("change", soon);
  form.addEventListener("submit", (event) => {
    if (event.submitter?.name !== "_preview") return;
    event.preventDefault();
    clearTimeout(timer);
    ask();
  });
  if (!lists.querySelector("section")) ask();
});
