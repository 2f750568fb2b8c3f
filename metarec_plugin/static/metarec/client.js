// A client of the REST API for browsers and web views: an ES module that needs nothing else.
//
//   import { MetaRec } from "/static/metarec/client.js";
//   const metarec = new MetaRec({ base: "https://shop.example/api/metarec/v1/", key: "pk_..." });
//   await metarec.become("full");
//   const [home] = await metarec.recommendations(["home"]);
//   metarec.track("click", { product: home.entries[0].key, slate: home.id, position: 0 });
//
// Without a key it speaks for the session, or the visitor, of a page of the shop's own site; `mark` names the cookie of
// whose turn it is, where COOKIE_NAME is another than "metarec".

/**
 * @typedef {object} Entry
 * @property {string} key
 * @property {string} title
 * @property {string} url
 * @property {string} image
 * @property {?string} price
 * @property {number} rank
 * @property {string} source
 * @property {string} reason
 * @property {?string} because
 */

/**
 * @typedef {object} Slate
 * @property {string} id goes back with a click
 * @property {string} placement
 * @property {string} stage
 * @property {?string} version
 * @property {string} variant
 * @property {Entry[]} entries
 * @property {?string} next the cursor of what follows; null at the end
 */

/**
 * @typedef {object} EventResult
 * @property {string} id
 * @property {string} status stored, known or refused
 * @property {string} reason
 */

const VISITOR = "metarec.visitor";
const UNSENT = "metarec.api.unsent";
const MAX_BATCH = 100;
const MAX_WAITING = 500;
const MAX_AGE_MS = 6 * 24 * 60 * 60 * 1000; // the server takes a client's time up to seven days back
const AGAIN = [429, 502, 503, 504];

function defaultStorage() {
  try {
    if (globalThis.localStorage) return globalThis.localStorage;
  } catch {
    // A browser may forbid even to look.
  }
  const kept = new Map();
  return {
    getItem: (name) => kept.get(name) ?? null,
    setItem: (name, value) => kept.set(name, value),
    removeItem: (name) => kept.delete(name),
  };
}

/** A problem that the API answered; `problem` is its body. */
export class ApiError extends Error {
  constructor(status, problem) {
    super(`${status} ${problem.detail ?? ""}`);
    this.status = status;
    this.problem = problem;
    this.kind = String(problem.type ?? "").split(":").pop();
  }
}

export class MetaRec {
  #base;
  #key;
  #markCookie;
  #storage;
  #timeout;
  #retries;
  #sending = null;

  constructor({ base, key = "", storage = defaultStorage(), timeout = 5000, retries = 2, mark = "metarec_mark" }) {
    this.#base = base.replace(/\/*$/, "/");
    this.#key = key;
    this.#markCookie = mark;
    this.#storage = storage;
    this.#timeout = timeout;
    this.#retries = retries;
  }

  /** Get a visitor who agreed to "session" or "full", or note another consent. */
  async become(consent) {
    const { visitor } = await this.#call("POST", "visitors/", { body: { consent } });
    this.#keep(VISITOR, visitor);
  }

  /** @returns {Promise<Slate[]>} one for each placement: a name, or {name, size, context, exclude, filters, trace} */
  async recommendations(placements, { fields, dryRun = false } = {}) {
    const body = { placements: placements.map((each) => (typeof each === "string" ? { name: each } : each)) };
    if (dryRun) body.dry_run = true;
    return (await this.#call("POST", "recommendations/", { body, query: { fields } })).slates;
  }

  /** @returns {Promise<Slate>} what comes after a list */
  next(cursor, { fields } = {}) {
    return this.#call("POST", "recommendations/next/", { body: { cursor }, query: { fields } });
  }

  /** @returns {Promise<Slate>} */
  similar(key, { size, fields } = {}) {
    return this.#call("GET", `products/${encodeURIComponent(key)}/similar/`, { query: { size, fields } });
  }

  /** @returns {Promise<string[]>} the keys that a search found, in the shopper's order */
  async rerank(query, keys) {
    const { results } = await this.#call("POST", "search/rerank/", { body: { query, keys } });
    return results.map((result) => result.key);
  }

  /** Report view, dwell, search, basket or click. It waits in storage until the server has it. */
  track(kind, fields = {}) {
    const waiting = [...this.#waiting(), { id: crypto.randomUUID(), kind, at: Date.now(), mark: this.#mark(), ...fields }];
    this.#keep(UNSENT, JSON.stringify(waiting.slice(-MAX_WAITING)));
    return this.flush();
  }

  /** Send what waits, under the ids that it has. @returns {Promise<EventResult[]>} */
  flush() {
    this.#sending ??= this.#send().finally(() => {
      this.#sending = null;
    });
    return this.#sending;
  }

  /** verdict: not_interested, undo, or why, which asks for the reason of a slate's entry. */
  feedback(product, verdict, slate) {
    return this.#call("POST", "feedback/", { body: { product, verdict, ...(slate ? { slate } : {}) } });
  }

  profile() {
    return this.#call("GET", "me/profile/");
  }

  export() {
    return this.#call("GET", "me/export/");
  }

  /** Have everything about the caller deleted. */
  forget() {
    this.#keep(UNSENT, null);
    return this.#call("DELETE", "me/");
  }

  async #send() {
    const found = [];
    for (let batch = this.#waiting().slice(0, MAX_BATCH); batch.length; batch = this.#waiting().slice(0, MAX_BATCH)) {
      try {
        found.push(...(await this.#call("POST", "events/", { body: { events: batch.map(({ mark, ...event }) => event) } })).results);
      } catch (error) {
        // What was refused will be refused again; what got no answer, or a caller who is not known or not allowed
        // now, waits for the next time.
        const waits = [401, 403, ...AGAIN];
        if (!(error instanceof ApiError) || waits.includes(error.status) || error.status >= 500) break;
        found.push(...(error.problem.results ?? []));
      }
      const sent = new Set(batch.map((event) => event.id));
      this.#keep(UNSENT, JSON.stringify(this.#waiting().filter((event) => !sent.has(event.id))));
    }
    return found;
  }

  #waiting() {
    try {
      const events = JSON.parse(this.#storage.getItem(UNSENT) ?? "[]");
      return events.filter((event) => (event.mark ?? "") === this.#mark() && Date.now() - event.at < MAX_AGE_MS);
    } catch {
      return []; // it holds something else
    }
  }

  // Without a key the page's session speaks: what waits from before a login, a logout or "forget me" is not theirs.
  #mark() {
    if (this.#key) return "";
    const found = document.cookie.split("; ").find((cookie) => cookie.startsWith(`${this.#markCookie}=`));
    return found?.slice(this.#markCookie.length + 1) ?? "";
  }

  #keep(name, value) {
    try {
      if (value) this.#storage.setItem(name, value);
      else this.#storage.removeItem(name);
    } catch {
      // It is full: what could not be sent now is lost; the page goes on.
    }
  }

  #headers() {
    const headers = { Accept: "application/json", "Content-Type": "application/json" };
    if (this.#key) {
      headers.Authorization = `Key ${this.#key}`;
      const visitor = this.#storage.getItem(VISITOR);
      if (visitor) headers["X-Visitor"] = visitor;
    } else {
      headers["X-CSRFToken"] = document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1] ?? "";
    }
    return headers;
  }

  async #call(method, path, { body, query = {} } = {}) {
    const address = new URL(this.#base + path, globalThis.location?.href);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) address.searchParams.set(name, Array.isArray(value) ? value.join(",") : value);
    }
    for (let attempt = 0; ; attempt += 1) {
      const last = attempt >= this.#retries;
      let wait = 250 * 2 ** attempt;
      try {
        const response = await fetch(address, {
          method,
          headers: this.#headers(),
          body: body && JSON.stringify(body),
          credentials: this.#key ? "omit" : "same-origin",
          keepalive: path === "events/",
          signal: AbortSignal.timeout(this.#timeout),
        });
        const visitor = response.headers.get("X-Visitor");
        if (visitor && this.#key) this.#keep(VISITOR, visitor);
        if (response.ok) return await response.json();
        if (last || !AGAIN.includes(response.status)) {
          throw new ApiError(response.status, await response.json().catch(() => ({})));
        }
        wait = Math.min(Number(response.headers.get("Retry-After")) * 1000 || wait, 30_000);
      } catch (error) {
        if (last || error instanceof ApiError) throw error;
      }
      await new Promise((done) => setTimeout(done, wait));
    }
  }
}
