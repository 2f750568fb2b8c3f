// Offers products and values of features while somebody writes, and hides what the chosen kind of rule does not need.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const WAIT = 250;
  let timer = 0;

  // The answer's entries as options of the list that the field names.
  function offer(field, list, url, read) {
    field.setAttribute("list", list.id);
    field.setAttribute("autocomplete", "off");
    const ask = () => {
      clearTimeout(timer);
      timer = setTimeout(async () => {
        const answer = await fetch(url(field.value), { credentials: "same-origin" });
        if (!answer.ok) return;
        const options = read(await answer.json()).map((text) => {
          const option = document.createElement("option");
          option.value = text;
          return option;
        });
        list.replaceChildren(...options);
      }, WAIT);
    };
    field.addEventListener("focus", ask);
    field.addEventListener("input", ask);
  }

  const products = document.getElementById("metarec-products");
  document.querySelectorAll("[data-metarec-product]").forEach((field) => {
    if (!products) return;
    offer(field, products, (text) => `${products.dataset.metarecUrl}?q=${encodeURIComponent(text)}`,
      (answer) => answer.products.map((each) => `${each.title} [${each.key}]`));
  });

  const values = document.getElementById("metarec-values");
  document.querySelectorAll("[data-metarec-values='product']").forEach((field) => {
    const feature = field.closest("fieldset")?.querySelector("select[name$='feature']");
    if (!values || !feature) return;
    offer(field, values,
      (text) => `${values.dataset.metarecUrl}?feature=${encodeURIComponent(feature.value)}&q=${encodeURIComponent(text)}`,
      (answer) => answer.values);
  });

  // Of a rule: only the fields that its kind asks for.
  const action = document.querySelector("select[data-metarec-action]");
  function fit() {
    document.querySelectorAll("[data-metarec-for]").forEach((part) => {
      const needed = action.value === "" || part.dataset.metarecFor.split(" ").includes(action.value);
      part.hidden = !needed && !part.querySelector(".errorlist");
    });
  }
  if (action) {
    action.addEventListener("change", fit);
    fit();
  }
});
