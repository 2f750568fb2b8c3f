// Lists and their controls without a new page: late lists, "not interested", quick view, add to basket.
//
// Everything works by plain links and forms where this script is missing. It reads attributes:
//   data-metarec-late="<address>"   on the place of a list that is fetched after the page
//   data-metarec-control            on a form whose answer is {done, message}: "not interested"
//   data-metarec-add                on a form that adds to the basket; the answer is {message, count}, and `count` goes
//                                   into every element with data-metarec-basket-count
//   data-metarec-quick              on a link: what the page behind it marks with data-metarec-quick-content is shown
//                                   in a dialog
// What was done is said in a polite live region; a list that comes late is not: nobody waits for it.

const script = document.querySelector("script[data-metarec-widgets]");
const words = script?.dataset ?? {};
const AHEAD = "300px"; // a late list is fetched shortly before it comes into view

const live = document.createElement("div");
live.className = "metarec-hidden";
live.setAttribute("role", "status");
document.body.append(live);

function say(message) {
  // What lies outside an open dialog is told to nobody.
  const around = document.querySelector("dialog[open]") ?? document.body;
  if (live.parentNode !== around) around.append(live);
  live.textContent = "";
  requestAnimationFrame(() => {
    live.textContent = message ?? "";
  });
}

async function fill(place) {
  try {
    const answer = await fetch(place.dataset.metarecLate, { credentials: "same-origin" });
    if (answer.status !== 200) throw new Error(`status ${answer.status}`);
    const list = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector(".metarec");
    if (!list) throw new Error("no list");
    place.replaceWith(document.adoptNode(list));
  } catch {
    // Everybody's list is in the page for browsers without scripts: it is better than a hole.
    const everybodys = new DOMParser().parseFromString(place.querySelector("noscript")?.textContent ?? "", "text/html");
    const list = everybodys.querySelector(".metarec");
    if (list?.querySelector(".metarec-product")) place.replaceWith(document.adoptNode(list));
    else place.remove();
  }
}

function watchLate() {
  const places = document.querySelectorAll("[data-metarec-late]");
  const seen = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        seen.unobserve(entry.target);
        fill(entry.target);
      }
    },
    { rootMargin: AHEAD },
  );
  for (const place of places) seen.observe(place);
}

async function post(form, submitter) {
  const answer = await fetch(form.action, {
    method: "POST",
    credentials: "same-origin",
    headers: { Accept: "application/json" },
    body: new FormData(form, submitter),
  });
  if (!answer.ok || !answer.headers.get("Content-Type")?.startsWith("application/json")) {
    throw new Error(`status ${answer.status}`);
  }
  return answer.json();
}

// Put a note with "Undo" in place of a card; undoing brings the card back.
function putAway(form, message) {
  const card = form.closest(".metarec-product");
  if (!card) return;
  const kept = [...card.childNodes];
  const note = document.createElement("p");
  note.className = "metarec-note";
  note.textContent = message;
  const undo = document.createElement("button");
  undo.type = "button";
  undo.className = "metarec-button";
  undo.textContent = form.querySelector("[data-metarec-undo]")?.dataset.metarecUndo ?? "Undo";
  undo.addEventListener("click", async () => {
    const field = document.createElement("input");
    Object.assign(field, { type: "hidden", name: "undo", value: "1" });
    form.append(field);
    try {
      const { message: undone } = await post(form);
      card.replaceChildren(...kept);
      form.querySelector("button")?.focus();
      say(undone);
    } catch {
      say(words.failed);
    } finally {
      field.remove();
    }
  });
  card.replaceChildren(note, undo);
  undo.focus(); // the button that had the focus is gone
}

function watchForms() {
  document.addEventListener("submit", async (submit) => {
    const form = submit.target.closest("form[data-metarec-control], form[data-metarec-add]");
    if (!form || submit.defaultPrevented) return;
    submit.preventDefault();
    if (form.ariaBusy === "true") return;
    form.ariaBusy = "true";
    try {
      const { done = true, message, count } = await post(form, submit.submitter);
      if (form.matches("[data-metarec-control]") && done) putAway(form, message);
      for (const place of document.querySelectorAll("[data-metarec-basket-count]")) {
        if (Number.isInteger(count)) place.textContent = count;
      }
      say(message);
    } catch {
      form.submit(); // by a new page, as without this script
    } finally {
      form.ariaBusy = null;
    }
  });
}

async function quickView(link) {
  const answer = await fetch(link.href, { credentials: "same-origin" });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const content = page.querySelector("[data-metarec-quick-content]");
  if (!answer.ok || !content) throw new Error("nothing to show");
  // The page that it is shown on may have the same ids.
  for (const name of ["id", "for", "aria-labelledby", "aria-describedby"]) {
    for (const node of content.querySelectorAll(`[${name}]`)) {
      node.setAttribute(name, node.getAttribute(name).replace(/\S+/g, "metarec-quick-$&"));
    }
  }
  const dialog = document.createElement("dialog");
  dialog.className = "metarec-dialog";
  dialog.setAttribute("aria-label", page.querySelector("h1")?.textContent.trim() ?? link.textContent.trim());
  const close = document.createElement("button");
  close.type = "button";
  close.className = "metarec-button metarec-close";
  close.textContent = words.close ?? "Close";
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove()); // the browser gives the focus back to the link
  dialog.append(close, document.adoptNode(content));
  document.body.append(dialog);
  dialog.showModal();
}

function watchQuickViews() {
  document.addEventListener("click", (click) => {
    const link = click.target.closest?.("a[data-metarec-quick]");
    if (!link || click.button || click.metaKey || click.ctrlKey || click.shiftKey || click.altKey) return;
    click.preventDefault();
    quickView(link).catch(() => location.assign(link.href));
  });
}

watchLate();
watchForms();
watchQuickViews();
