// Calls of the server's API: the token, the tenant, errors as the server tells them.

const TOKEN = "pelton-token";

/** The tenant whose things are shown: `?tenant=` in the page's address, else `default`. */
export const tenant = new URLSearchParams(location.search).get("tenant") || "default";

/** What the server refused, or that it does not answer (`code` "E-SERVER-DOWN"). */
export class ApiError extends Error {
  constructor(status, code, message, next) {
    super(message);
    Object.assign(this, { status, code, next });
  }

  /** Whether a token is needed, or another one. */
  get asksForToken() {
    return this.status === 401;
  }

  toString() {
    return `${this.message} [${this.code}]${this.next ? ` – ${this.next}` : ""}`;
  }
}

export const token = {
  get: () => sessionStorage.getItem(TOKEN),
  set: (text) => sessionStorage.setItem(TOKEN, text),
  forget: () => sessionStorage.removeItem(TOKEN),
};

/** The path of something of the tenant's: `of("topics", name)`. */
export function of(...parts) {
  return `/api/v1/tenants/${[tenant, ...parts].map(encodeURIComponent).join("/")}`;
}

/** Fetches, with the token; throws an `ApiError` for all but success. */
export async function open(path, { method = "GET", body, headers = {}, signal } = {}) {
  const sent = { ...headers };
  if (token.get()) sent.authorization = `Bearer ${token.get()}`;
  if (body !== undefined) sent["content-type"] = "application/json";
  let answer;
  try {
    const text = body === undefined ? undefined : JSON.stringify(body);
    answer = await fetch(path, { method, headers: sent, body: text, signal, cache: "no-store" });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, "E-SERVER-DOWN", "The server does not answer");
  }
  if (answer.ok) return answer;
  const told = await answer.json().then((json) => json.error, () => null);
  const code = told?.code ?? `HTTP ${answer.status}`;
  throw new ApiError(answer.status, code, told?.message ?? answer.statusText, told?.next);
}

/** What the server answers as JSON. */
export async function get(path, signal) {
  return (await open(path, { signal })).json();
}

/** Asks for something to be done; answers its JSON, or nothing. */
export async function post(path, body, signal) {
  const answer = await open(path, { method: "POST", body: body ?? {}, signal });
  return answer.status === 204 ? null : answer.json();
}

/** A path with a query; what is null or empty is left out. */
export function query(path, parameters) {
  const used = Object.entries(parameters).filter(([, value]) => value !== null && value !== "");
  const text = new URLSearchParams(used).toString();
  return text ? `${path}?${text}` : path;
}
