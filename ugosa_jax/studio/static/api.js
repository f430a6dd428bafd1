// Requests to the server. Every address begins with the token with which the page was opened.

export const root = document.documentElement.dataset.root;

/** The error of a request that the server refused; the message is the server's reason. */
export class Refused extends Error {
  constructor(status, body) {
    super(body.error ?? `the server answered ${status}`);
    this.status = status;
    this.body = body;
  }
}

/** Send a request and return the answer. Throws Refused, or TypeError if the server does not answer. */
export async function ask(method, path, body, options = {}) {
  const isFile = body instanceof Blob;
  const response = await fetchOrExplain(`${root}/api/${path}`, {
    method,
    body: body === undefined || isFile ? body : JSON.stringify(body),
    headers: isFile ? { "x-name": encodeURIComponent(body.name ?? "") } : {},
    ...options,
  });
  const type = response.headers.get("content-type") ?? "";
  const answer = type.includes("json") ? await response.json() : { error: (await response.text()).trim() };
  if (!response.ok) throw new Refused(response.status, answer);
  return answer;
}

/** Fetch; if the server does not answer, throw an error with a readable message. */
async function fetchOrExplain(address, options) {
  try {
    return await fetch(address, options);
  } catch (error) {
    throw error instanceof TypeError ? new TypeError("The studio does not answer; nothing was changed. Is it still running?") : error;
  }
}

/** Send a file; `onprogress` is called with the share that has been sent. */
export function upload(path, file, onprogress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `${root}/api/${path}`);
    request.setRequestHeader("x-name", encodeURIComponent(file.name));
    request.responseType = "json";
    request.upload.onprogress = (event) => onprogress(event.loaded / event.total);
    request.onload = () => (request.status < 300 ? resolve(request.response) : reject(new Refused(request.status, request.response ?? {})));
    request.onerror = () => reject(new TypeError(`The connection broke while ${file.name} was sent.`));
    request.send(file);
  });
}

/** Return bytes of a file. */
export async function fetchBytes(path) {
  const response = await fetch(`${root}/api/${path}`);
  if (!response.ok) throw new Refused(response.status, {});
  return response.arrayBuffer();
}

/**
 * Call `heard(kind, value)` with each event of a song, and with "open" and "away" when the connection is made or lost. A
 * hidden page listens only while `isAwaited()`: browsers have few connections to one server, and each page that listens
 * takes one. Return a function to be called when an awaited event has come.
 */
export function listen(song, heard, isAwaited) {
  let source = null;
  const open = () => {
    source = new EventSource(`${root}/api/songs/${song}/events`);
    for (const kind of ["job", "runs", "marks", "worker"]) {
      source.addEventListener(kind, (event) => heard(kind, JSON.parse(event.data)));
    }
    source.onopen = () => heard("open", null);
    source.onerror = () => {
      heard("away", null);
      if (source?.readyState === EventSource.CLOSED) setTimeout(() => source?.readyState === EventSource.CLOSED && open(), 2000); // it gave up; we do not
    };
  };
  const look = () => {
    if (!document.hidden && source === null) open();
    else if (document.hidden && !isAwaited()) {
      source?.close();
      source = null;
    }
  };
  document.addEventListener("visibilitychange", look);
  look();
  return look;
}
