// Requests to the server.

/** An answer of the server that says what is wrong. */
export class Refused extends Error {
  /** @param {number} status @param {string} message */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** What was asked is not needed any more. */
export class Abandoned extends Error {}

/** Return the name of an image as a part of a path. @param {string} image */
export const escaped = (image) => image.split("/").map(encodeURIComponent).join("/");

let pending = 0;

/** Do something, and count it as pending until it is done. @template T @param {() => Promise<T>} what @returns {Promise<T>} */
export async function counted(what) {
  document.body.dataset.pending = String(++pending);
  try {
    return await what();
  } finally {
    document.body.dataset.pending = String(--pending);
  }
}

/**
 * Send a request and return its answer.
 * @param {string} method
 * @param {string} path below /v1/
 * @param {object|Blob} [body] plain data, or the content of a file
 * @param {AbortSignal} [signal] tells when the answer is not needed any more; the request then ends with `Abandoned`
 * @returns {Promise<any>}
 */
export function request(method, path, body, signal) {
  return counted(() => send(method, path, body, signal));
}

/**
 * @param {string} method
 * @param {string} path
 * @param {object|Blob} [body]
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
async function send(method, path, body, signal) {
  const isFile = body instanceof Blob;
  /** @type {Record<string, string>} */
  const headers = body === undefined ? {} : { "content-type": isFile ? "application/octet-stream" : "application/json" };
  try {
    const sent = isFile || body === undefined ? body : JSON.stringify(body);
    const answer = await fetch(`v1/${path}`, { method, headers, body: sent, signal });
    const type = answer.headers.get("content-type") ?? "";
    const content = type.includes("json") ? await answer.json() : await answer.blob();
    if (!answer.ok) throw new Refused(answer.status, content.error ?? `The server answers with status ${answer.status}.`);
    return content;
  } catch (error) {
    if (error instanceof Refused) throw error;
    if (signal?.aborted) throw new Abandoned();
    throw new Refused(0, "The server does not answer. Is seemkit app still running?");
  }
}
