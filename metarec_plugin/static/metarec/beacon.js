// Reports to the shop's own server what is looked at: views, dwell time, searches, baskets and clicks on lists.
//
// It reads attributes only. On the page's subject: data-metarec-product="<key>" (a product page) or
// data-metarec-query="<words>" (a search). On a form: data-metarec-basket="<key>", its field `quantity` counting.
// On a recommended link: data-metarec-slate, data-metarec-position and data-metarec-product. A product page whose address
// ends in #metarec=<slate>~<position> was opened from a list in an e-mail, and reports the click on it.
// Each event has an id of its own; until the server says that it has it, it waits in localStorage and is sent again
// under that id, unless somebody logged in or out or was forgotten since its page was loaded: the cookie that
// data-mark names is another then. With Global Privacy Control nothing is kept in the browser.

const STORE = "metarec.unsent";
const RETRY = "metarec.retry-at";
const MAX_WAITING = 100;
const MAX_BATCH = 50; // events per request
const MAX_BYTES = 60_000; // of a body: a browser sends 64 KiB for a page that is gone
const RETRY_SECONDS = 30; // where the server is busy and does not say for how long
const MAX_RETRY_SECONDS = 60 * 60;
const MAX_AGE_MS = 6 * 24 * 60 * 60 * 1000; // the server takes a client's time up to seven days back
const MAX_DWELL_SECONDS = 4 * 60 * 60;

// document.currentScript is null in a module, so the tag is found by its attribute.
const { endpoint, mark } = document.querySelector("script[data-metarec-beacon]")?.dataset ?? {};
let pageMark = currentMark();
let turned = false; // whether an answer to this page brought a new mark

function currentMark() {
  try {
    const found = document.cookie.split("; ").find((cookie) => cookie.startsWith(`${mark}=`));
    return found?.slice(mark.length + 1) ?? "";
  } catch {
    return ""; // a frame without cookies
  }
}

function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  // Outside https and localhost there is no randomUUID.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

// What this page keeps where storage is switched off, full or not to be used.
const memory = new Map();

function read(name) {
  try {
    return memory.get(name) ?? localStorage.getItem(name);
  } catch {
    return null;
  }
}

function write(name, text) {
  memory.delete(name);
  try {
    if (text === null || navigator.globalPrivacyControl) localStorage.removeItem(name);
    if (text === null) return;
    if (navigator.globalPrivacyControl) memory.set(name, text);
    else localStorage.setItem(name, text);
  } catch {
    if (text !== null) memory.set(name, text); // lost with the page; the page goes on
  }
}

function waiting() {
  try {
    const events = JSON.parse(read(STORE) ?? "[]");
    return events.filter((event) => (event.mark ?? "") === currentMark() && Date.now() - event.at < MAX_AGE_MS);
  } catch {
    return []; // it holds something else
  }
}

function keepWaiting(events) {
  write(STORE, events.length ? JSON.stringify(events.slice(-MAX_WAITING)) : null);
}

function add(events) {
  keepWaiting([...waiting(), ...events]);
}

function forget(events) {
  const sent = new Set(events.map((event) => event.id));
  keepWaiting(waiting().filter((event) => !sent.has(event.id)));
}

function newEvent(kind, fields) {
  return { id: newId(), kind, at: Date.now(), mark: pageMark, ...fields };
}

// How long the server asked to be left alone for, from now.
function pauseMs() {
  const left = Number(read(RETRY)) - Date.now();
  return left > 0 ? Math.min(left, MAX_RETRY_SECONDS * 1000) : 0;
}

function pause(response) {
  const asked = Number(response.headers.get("Retry-After")) || RETRY_SECONDS;
  write(RETRY, String(Date.now() + Math.min(Math.max(asked, 1), MAX_RETRY_SECONDS) * 1000));
}

// The mark stays in the browser.
const asBody = (events) => JSON.stringify({ events }, (name, value) => (name === "mark" ? undefined : value));

// The first events that fit into a body.
function nextBody(events) {
  let bytes = 20;
  let count = 0;
  for (const event of events.slice(0, MAX_BATCH)) {
    bytes += new TextEncoder().encode(JSON.stringify(event)).length + 1;
    if (count && bytes > MAX_BYTES) break;
    count += 1;
  }
  return events.slice(0, count);
}

// Returns whether the server dealt with the events: stored them, or said for good that it will not.
async function send(events) {
  try {
    const response = await fetch(endpoint, {
      method: "POST",
      keepalive: true,
      credentials: "same-origin",
      headers: { "Content-Type": "application/json" },
      body: asBody(events),
    });
    turned ||= response.headers.has("Metarec-Turn");
    const answer = await response.text(); // an answer that nobody reads keeps its connection open
    if (response.status >= 500 || response.status === 429) {
      pause(response);
      return false;
    }
    // A body that was too much for the server's settings was not read: half of it may be.
    const unread = response.status === 413 || (response.status === 400 && !answer.includes('"refused"'));
    if (unread && events.length > 1) {
      const half = Math.ceil(events.length / 2);
      return (await send(events.slice(0, half))) && (await send(events.slice(half)));
    }
    forget(events); // what the server refused it will refuse again
    return true;
  } catch {
    return false; // offline, or the page went away: the events wait
  }
}

let sending = false;
let timer;

// Sends all that waits, body after body; where the server asks to wait, goes on then if the page is still there.
async function flush() {
  if (sending) return;
  sending = true;
  clearTimeout(timer);
  try {
    let events = waiting();
    while (events.length && !pauseMs()) {
      const body = nextBody(events);
      if (!(await send(body))) break;
      const done = new Set(body.map((event) => event.id));
      events = waiting().filter((event) => !done.has(event.id));
    }
  } finally {
    sending = false;
  }
  if (pauseMs()) timer = setTimeout(flush, pauseMs());
}

// For events of a page that is being left: the browser takes over and nobody waits for the answer. So they wait, too:
// the next page sends them again, and the server knows those that it has.
function handOver(...events) {
  if (pageMark !== currentMark()) return; // a tab of before
  add(events);
  if (!pauseMs()) navigator.sendBeacon(endpoint, asBody(events));
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

async function reportPage(product) {
  const query = document.querySelector("[data-metarec-query]")?.dataset.metarecQuery?.trim();
  const fresh = emailClick(product);
  if (product) fresh.push(newEvent("view", { product }));
  if (query) fresh.push(newEvent("search", { query: query.slice(0, 200) }));
  add(fresh);
  await flush();
  if (!turned) return;
  // The answer to the page's first report began a turn: a member had no mark yet, or their session had run out. It is
  // this page's own; what waited from before is dropped, and what this page saw is sent under it, with the same ids.
  pageMark = currentMark();
  add(fresh.map((event) => ({ ...event, mark: pageMark })));
  await flush();
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
  addEventListener("online", flush);
  addEventListener("pageshow", (shown) => {
    if (shown.persisted) pageMark = currentMark(); // who came back to the page is whoever is there now
  });
}
