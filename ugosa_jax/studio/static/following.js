// Follows jobs, runs and marks on the server, also after a broken connection, and notifies a person who is away.

import { ask, listen } from "./api.js";
import { toast } from "./dom.js";
import { OPEN } from "./jobs.js";
import { refreshDesk, runName } from "./listen.js";

export function follow({ store, id, history, saver }) {
  const awaited = () => store.get("jobs").some((job) => OPEN.includes(job.state));
  const take = ({ runs, votes, titles }, newest = null) => {
    store.set({ runs, votes, titles });
    refreshDesk(store, newest);
  };
  const adopt = (marks) => {
    if (marks.revision <= saver.revision || saver.busy || saver.dirty) return;
    saver.revision = marks.revision;
    history.replace({ marks: marks.marks, elsewhere: marks.elsewhere });
  };
  /** Report the end of a job. */
  const ended = (job, known) => {
    if (job.kind === "adapt" && job.state === "done") {
      take(known, job.result.run);
      notify(store, "Adapted", `Adapted. B is ${runName(store, job.result.run)}: press X to switch between before and after.`);
    } else if (job.kind === "suggest" && job.state === "done") notify(store, "Silences suggested", null);
    else if (job.state === "failed") notify(store, "Failed", null);
  };
  let opened = false;
  const heard = {
    open: async () => {
      document.body.classList.remove("away");
      if (opened) { // something may have happened while nobody listened
        const before = store.get("jobs");
        const now = await ask("GET", `songs/${id}`);
        store.set({ jobs: now.jobs, worker: now.worker });
        take(now);
        adopt(now.marks);
        for (const job of now.jobs) if (OPEN.includes(before.find((one) => one.id === job.id)?.state)) ended(job, now);
      }
      opened = true;
    },
    away: () => document.body.classList.add("away"),
    worker: (worker) => store.set({ worker }),
    runs: async () => take(await ask("GET", `songs/${id}`)),
    marks: async ({ revision }) => { if (revision > saver.revision) adopt((await ask("GET", `songs/${id}`)).marks); },
    job: async (job) => {
      const jobs = store.get("jobs");
      const before = jobs.find((one) => one.id === job.id);
      store.set({ jobs: before ? jobs.map((one) => (one.id === job.id ? job : one)) : [...jobs, job] });
      if (OPEN.includes(job.state) || (before && !OPEN.includes(before.state))) return;
      ended(job, job.state === "done" ? await ask("GET", `songs/${id}`) : null);
      look();
    },
  };
  const look = listen(id, (kind, value) => Promise.resolve(heard[kind](value)).catch((error) => console.error(error)), awaited);
  showInTitle(store);
}

/** Report a finished job on the page, or in title and notification if the page is hidden. */
function notify(store, title, text) {
  if (text) toast(text);
  if (!document.hidden) return;
  store.set({ news: title });
  if ("Notification" in window && Notification.permission === "granted") new Notification(`${title}: ${store.get("song").name}`, { tag: store.get("song").id });
}

/** Show progress and news in the title of the tab. */
function showInTitle(store) {
  store.watch(["jobs", "news", "song"], ({ jobs, news, song }) => {
    const running = jobs.find((job) => job.state === "running");
    const part = running?.total ? `${Math.round((100 * running.done) / running.total)} %` : "…";
    document.title = `${running ? `${part} – ` : news ? `✓ ${news} – ` : ""}${song.name} – ugosa studio`;
  });
  document.addEventListener("visibilitychange", () => { if (!document.hidden && store.get("news")) store.set({ news: null }); });
}
