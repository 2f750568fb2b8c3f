// The what-if bench: products are found while one types, the link is copied by a click, a form is sent once.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const bench = document.querySelector("[data-metarec-bench]");
  if (!bench) return;

  // A second click while the answer is on its way sends nothing; coming back by the browser's arrow frees it again.
  const sent = new Set();
  for (const form of bench.querySelectorAll("[data-metarec-once]")) {
    form.addEventListener("submit", (event) => {
      if (sent.has(form)) event.preventDefault();
      sent.add(form);
      form.querySelector("[type=submit]").setAttribute("aria-disabled", "true");
    });
  }
  addEventListener("pageshow", () => {
    sent.clear();
    for (const button of bench.querySelectorAll("[aria-disabled]")) button.removeAttribute("aria-disabled");
  });

  const copy = bench.querySelector("[data-metarec-copy]");
  if (copy && navigator.clipboard) {
    const field = document.getElementById(copy.dataset.metarecCopy);
    const live = bench.querySelector("[data-metarec-live]");
    copy.hidden = false;
    copy.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(field.value);
        live.textContent = bench.dataset.copied;
      } catch {
        field.select(); // not allowed here: it is marked, so that the keyboard copies it
      }
    });
  }

  const search = bench.querySelector("[data-metarec-search]");
  if (!search) return;
  const [text, kind] = [search.querySelector("[name=q]"), search.querySelector("[name=kind]")];
  const place = bench.querySelector("[data-metarec-found]");
  let [waiting, asked] = [0, 0];

  function show(products) {
    if (!products.length) {
      const said = document.createElement("p");
      said.textContent = bench.dataset.none;
      return place.replaceChildren(said);
    }
    const list = document.createElement("ul");
    list.className = "metarec-found";
    for (const { key, title } of products) {
      const link = document.createElement("a");
      link.dataset.key = key;
      link.textContent = title;
      const item = document.createElement("li");
      item.append(link);
      list.append(item);
    }
    place.replaceChildren(list);
    aim();
  }

  // The links add what the box beside the search says that the shopper did.
  function aim() {
    for (const link of place.querySelectorAll("a[data-key]")) {
      const event = encodeURIComponent(`${kind.value}:${link.dataset.key}`);
      link.href = bench.dataset.add.replace("KIND%3AKEY", () => event);
    }
  }

  async function find() {
    const mine = ++asked;
    const query = text.value.trim();
    if (!query) return place.replaceChildren();
    const answer = await fetch(`${bench.dataset.search}?q=${encodeURIComponent(query)}`);
    if (mine === asked && answer.ok) show((await answer.json()).products);
  }

  text.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(find, 200);
  });
  kind.addEventListener("change", aim);
});
