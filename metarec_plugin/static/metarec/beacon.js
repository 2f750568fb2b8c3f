// Reports to the shop's own server what is looked at: views, dwell time, searches, baskets and clicks on lists.
//
// It reads attributes only. On the page's subject: data-metarec-product="<key>" (a product page) or
// data-metarec-query="<words>" (a search). On a form: data-metarec-basket="<key>", its field `quantity` counting.
// On a recommended link: data-metarec-slate, data-metarec-position and data-metarec-product. A product page whose address
// ends in #metarec=<slate>~<position> was opened from a list in an e-mail, and reports the click on it.
// Each event has an id of its own; what could not be sent waits in localStorage and is sent again under that id.

const STORE = "metarec.unsent";
const MAX_WAITING = 100;
const MAX_BATCH = 50; // events per request: far below the 64 KiB that a browser sends for a page that is gone
const MAX_AGE_MS = 6 * 24 * 60 * 60 * 1000; // the server takes a client's time up to seven days back
const MAX_DWELL_SECONDS = 4 * 60 * 60;

// document.currentScript is null in a module, so the tag is found by its attribute.
const endpoint = document.querySelector("script[data-metarec-beacon]")?.dataset.endpoint;

function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  // Outside https and localhost there is no randomUUID.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

function waiting() {
  try {
    const events = JSON.parse(localStorage.getItem(STORE) ?? "[]");
    return Array.isArray(events) ? events.filter((event) => Date.now() - event.at < MAX_AGE_MS) : [];
  } catch {
    return []; // storage is switched off, or holds something else
  }
}

function keepWaiting(events) {
  try {
    if (events.length) localStorage.setItem(STORE, JSON.stringify(events.slice(-MAX_WAITING)));
    else localStorage.removeItem(STORE);
  } catch {
    // Without storage an event that cannot be sent now is lost; the page goes on.
  }
}

function add(events) {
  keepWaiting([...waiting(), ...events]);
}

function forget(events) {
  const sent = new Set(events.map((event) => event.id));
  keepWaiting(waiting().filter((event) => !sent.has(event.id)));
}

function newEvent(kind, fields) {
  return { id: newId(), kind, at: Date.now(), ...fields };
}

async function send(events) {
  if (!events.length) return;
  try {
    const response = await fetch(endpoint, {
      method: "POST",
      keepalive: true,
      credentials: "same-origin",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ events }),
    });
    // What the server refused it will refuse again; what it could not store now it asks for later.
    if (response.status < 500 && response.status !== 429) forget(events);
    await response.arrayBuffer(); // an answer that nobody reads keeps its connection open
  } catch {
    // Offline, or the page went away: the events wait.
  }
}

// For events of a page that is being left: the browser takes over and nobody waits for the answer.
function handOver(...events) {
  add(events);
  if (navigator.sendBeacon(endpoint, JSON.stringify({ events }))) forget(events);
}

function pageProduct() {
  const marked = document.querySelectorAll("[data-metarec-product]:not([data-metarec-slate], [data-metarec-basket])");
  return Array.from(marked).find((element) => element.dataset.metarecProduct)?.dataset.metarecProduct;
}

// A reload or a bookmark is no second click: what was read is taken off the address.
function emailClick(product) {
  const [, slate, position] = location.hash.match(/^#metarec=([^~]+)~(\d{1,4})$/) ?? [];
  if (!slate) return [];
  history.replaceState(history.state, "", location.pathname + location.search);
  return product ? [newEvent("click", { product, slate, position: Number(position) })] : [];
}

function reportPage(product) {
  const query = document.querySelector("[data-metarec-query]")?.dataset.metarecQuery?.trim();
  const events = waiting().slice(0, MAX_BATCH - 3);
  const fresh = emailClick(product);
  if (product) fresh.push(newEvent("view", { product }));
  if (query) fresh.push(newEvent("search", { query: query.slice(0, 200) }));
  add(fresh);
  return send([...events, ...fresh]);
}

function watchDwell(product) {
  let seenMs = 0;
  let since = document.visibilityState === "visible" ? performance.now() : null;
  const pause = () => {
    if (since !== null) seenMs += performance.now() - since;
    since = null;
  };
  document.addEventListener("visibilitychange", () => {
    pause();
    if (document.visibilityState === "visible") since = performance.now();
  });
  addEventListener("pageshow", () => {
    if (since === null && document.visibilityState === "visible") since = performance.now();
  });
  addEventListener("pagehide", () => {
    pause();
    const seconds = Math.round(seenMs / 100) / 10;
    seenMs = 0;
    if (seconds >= 1) handOver(newEvent("dwell", { product, value: Math.min(seconds, MAX_DWELL_SECONDS) }));
  });
}

function watchBaskets() {
  document.addEventListener("submit", (submit) => {
    const form = submit.target.closest("form[data-metarec-basket]");
    if (!form) return;
    const product = form.dataset.metarecBasket || form.closest("[data-metarec-product]")?.dataset.metarecProduct;
    const quantity = Math.trunc(Number(new FormData(form).get("quantity"))) || 1;
    if (product) handOver(newEvent("basket", { product, quantity: Math.min(Math.max(quantity, 1), 1000) }));
  });
}

function watchClicks() {
  const clicked = (click) => {
    const link = click.target.closest?.("[data-metarec-slate][data-metarec-product]");
    if (!link || click.button > 1) return;
    const { metarecProduct: product, metarecSlate: slate, metarecPosition } = link.dataset;
    const position = Number.parseInt(metarecPosition ?? "", 10);
    handOver(newEvent("click", { product, slate, ...(Number.isNaN(position) ? {} : { position }) }));
  };
  document.addEventListener("click", clicked);
  document.addEventListener("auxclick", clicked); // the middle button opens a tab
}

if (endpoint) {
  const product = pageProduct();
  reportPage(product);
  if (product) watchDwell(product);
  watchBaskets();
  watchClicks();
}
