// A run's page while it works: its parts are fetched again every two seconds. And the estimate of the form that starts one.
"use strict";
(() => {
  const LONGEST = 60;

  function follow(page) {
    const part = (name) => page.querySelector(`[data-part="${name}"]`);
    const says = page.querySelector("[data-says]");
    const trouble = page.querySelector("[data-trouble]");
    let wait = 2, failures = 0;

    // What a person opened stays open; where they had scrolled to, they stay.
    function replace(name, html) {
      const holder = part(name);
      if (!holder || holder.metarecHtml === html) return;
      holder.metarecHtml = html;
      const open = [...holder.querySelectorAll("details")].map((each) => each.open);
      const top = holder.querySelector(".metarec-log")?.scrollTop;
      holder.innerHTML = html;
      holder.querySelectorAll("details").forEach((each, at) => { each.open = open[at] ?? each.open; });
      if (top) holder.querySelector(".metarec-log").scrollTop = top;
      window.metarecCharts?.drawAll(holder);
    }

    function tell(text) {
      trouble.textContent = text;
      trouble.hidden = !text;
    }

    function show(answer) {
      for (const [name, html] of Object.entries(answer.parts)) replace(name, html);
      page.dataset.state = answer.state;
      page.dataset.last = answer.last;
      if (says.textContent !== answer.says) says.textContent = answer.says;
    }

    async function ask() {
      if (document.hidden) return later();
      const url = `${page.dataset.metarecRun}?after=${page.dataset.last}&state=${page.dataset.state}${page.dataset.whole}`;
      try {
        const response = await fetch(url, { headers: { Accept: "application/json" }, credentials: "same-origin" });
        if (response.redirected || response.status === 403 || response.status === 404) return tell(page.dataset.signedOut);
        if (!response.ok) throw new Error(String(response.status));
        const answer = await response.json();
        show(answer);
        tell("");
        [failures, wait] = [0, answer.wait];
        if (wait === null) return undefined;
      } catch {
        failures += 1;
        wait = Math.min(2 * 2 ** failures, LONGEST);
        if (failures > 1) tell(page.dataset.offline);
      }
      return later();
    }

    function later() {
      setTimeout(ask, 1000 * wait);
    }

    later();
  }

  function estimate(form) {
    const note = form.querySelector("[data-estimate]");
    const total = form.querySelector("[data-total]");
    function count() {
      const learners = form.querySelectorAll('input[name="learners"]:checked').length;
      const minutes = Number(form.elements.minutes.value);
      if (!learners || !(minutes > 0)) return;
      const seconds = Number(form.dataset.rest) + 60 * minutes * learners;
      total.textContent = seconds < 90
        ? note.dataset.seconds.replace("SECONDS", Math.round(seconds))
        : note.dataset.minutes.replace("MINUTES", Math.round(seconds / 60));
    }
    form.addEventListener("input", count);
    count();
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("[data-metarec-run]").forEach((page) => { if (!page.dataset.ended) follow(page); });
    document.querySelectorAll("[data-metarec-start]").forEach(estimate);
  });
})();
