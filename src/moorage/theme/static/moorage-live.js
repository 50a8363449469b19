/* What pages follow: changes and logs, over few connections. A browser opens six to one host over HTTP/1.1, for all of its tabs
   together; whatever is held open is missing to the next page. So all tabs together hold at most SLOTS of them (by Web Locks,
   which end with their tab), tabs that follow the same share one (by BroadcastChannel), and a hidden tab holds none. Who gets
   none asks every few seconds, as all do where a browser has no locks (plain HTTP to another name than localhost). */
(function () {
  "use strict";
  const SLOTS = [3, 2, 1, 0];
  const LOG_SLOTS = [1, 0]; /* logs leave two to what says how workspaces are */
  const RESTS_AFTER = 2000;
  const ASKS_EVERY = 4000;
  const SILENT_FOR = 65000; /* the server says something every 20 s */
  const LONGEST_WAIT = 30000;

  let gone = false;
  window.addEventListener("pagehide", () => { gone = true; });
  window.addEventListener("pageshow", () => { gone = false; });

  function pause(milliseconds, signal) {
    return new Promise((resolve) => {
      const timer = window.setTimeout(resolve, milliseconds);
      signal.addEventListener("abort", () => { window.clearTimeout(timer); resolve(); }, { once: true });
    });
  }

  /* Does `work` while it has one of these slots; whether it got one. */
  async function withSlot(slots, work) {
    if (!navigator.locks) return false;
    for (const slot of slots) {
      const had = await navigator.locks.request("moorage-slot-" + slot, { ifAvailable: true }, async (lock) => {
        if (lock) await work();
        return Boolean(lock);
      });
      if (had) return true;
    }
    return false;
  }

  function seen(over) {
    return new Promise((resolve) => {
      const look = () => {
        if ((document.hidden || gone) && !over.aborted) return;
        document.removeEventListener("visibilitychange", look);
        window.removeEventListener("pageshow", look);
        resolve();
      };
      document.addEventListener("visibilitychange", look);
      window.addEventListener("pageshow", look);
      over.addEventListener("abort", look, { once: true });
      look();
    });
  }

  /* Does `work` whenever somebody looks at the page; its signal says that nobody does any more. */
  async function whileSeen(over, work) {
    for (;;) {
      await seen(over);
      if (over.aborted) return;
      const unseen = new AbortController();
      const leave = () => unseen.abort();
      let rest = 0;
      const look = () => {
        window.clearTimeout(rest);
        if (document.hidden) rest = window.setTimeout(leave, RESTS_AFTER);
      };
      document.addEventListener("visibilitychange", look);
      window.addEventListener("pagehide", leave);
      over.addEventListener("abort", leave, { once: true });
      try {
        await work(unseen.signal);
      } catch (error) {
        if (!unseen.signal.aborted) throw error;
      } finally {
        window.clearTimeout(rest);
        document.removeEventListener("visibilitychange", look);
        window.removeEventListener("pagehide", leave);
      }
    }
  }

  /* The events of a stream (HTML standard, 9.2.6), as far as Moorage writes them. */
  async function* events(body, alive) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const chunk = await reader.read();
      if (chunk.done) return;
      alive();
      const blocks = (rest + chunk.value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const event = { name: "message", data: [], retry: 0 };
        for (const line of block.split("\n")) {
          if (line.startsWith("event: ")) event.name = line.slice(7);
          else if (line.startsWith("data: ")) event.data.push(line.slice(6));
          else if (line.startsWith("retry: ")) event.retry = Number(line.slice(7));
        }
        yield { name: event.name, data: event.data.length ? event.data.join("\n") : null, retry: event.retry };
      }
    }
  }

  /* In place of an EventSource, for htmx. It tries again by itself, so that htmx never has to. */
  class SharedSource {
    constructor(url) {
      this.url = url;
      this.listeners = [];
      this.readyState = EventSource.CONNECTING;
      this.over = new AbortController();
      this.retry = 3000;
      this.refusals = 0;
      this.channel = new BroadcastChannel("moorage-live");
      this.channel.onmessage = ({ data }) => {
        if (data.url === this.url) this.show(data);
      };
      whileSeen(this.over.signal, (unseen) => this.follow(unseen));
    }

    addEventListener(name, listener) {
      this.listeners.push([name, listener]);
    }

    removeEventListener(name, listener) {
      this.listeners = this.listeners.filter((entry) => entry[0] !== name || entry[1] !== listener);
    }

    close() {
      this.readyState = EventSource.CLOSED;
      this.over.abort();
      this.channel.close();
    }

    /* One tab asks for all that follow the same; the next takes over when it is gone. */
    async follow(unseen) {
      if (!navigator.locks) return this.lead(unseen);
      const name = "moorage-live " + this.url;
      const led = await navigator.locks.request(name, { ifAvailable: true }, async (lock) => {
        if (lock) await this.lead(unseen);
        return Boolean(lock);
      });
      if (led) return;
      await this.read(unseen, false); /* what was said before this tab listened */
      await navigator.locks.request(name, { signal: unseen }, () => this.lead(unseen));
    }

    async lead(unseen) {
      while (!unseen.aborted) {
        const streamed = await withSlot(SLOTS, () => this.read(unseen, true));
        if (!streamed) await this.read(unseen, false);
        if (unseen.aborted) return;
        /* Who is refused asks less and less often; a server that is away comes back at any time. */
        const again = Math.min(this.retry * 2 ** Math.min(this.refusals, 5), LONGEST_WAIT);
        await pause(streamed || this.refusals ? again : ASKS_EVERY, unseen);
      }
    }

    /* Reads on for as long as it is open, or what is so now. */
    async read(unseen, on) {
      const stop = new AbortController();
      const leave = () => stop.abort();
      unseen.addEventListener("abort", leave, { once: true });
      let silence = 0;
      const alive = () => {
        window.clearTimeout(silence);
        silence = window.setTimeout(leave, SILENT_FOR);
      };
      try {
        alive();
        const answer = await fetch(this.url, { headers: { Accept: "text/event-stream" }, cache: "no-store", signal: stop.signal });
        if (answer.status === 401) return window.location.reload();
        if (answer.status < 500 && !answer.ok) {
          this.refusals += 1;
          return this.lost(await refusal(answer));
        }
        if (!answer.ok) return this.lost("");
        for await (const event of events(answer.body, alive)) {
          if (event.retry) this.retry = event.retry;
          if (event.data === null) continue;
          this.refusals = 0;
          this.tell({ url: this.url, name: event.name, data: event.data });
          if (!on) return;
        }
        this.lost("");
      } catch {
        if (!unseen.aborted) this.lost("");
      } finally {
        window.clearTimeout(silence);
        unseen.removeEventListener("abort", leave);
        stop.abort();
      }
    }

    lost(words) {
      this.tell({ url: this.url, lost: true, words: words });
    }

    tell(said) {
      if (this.over.signal.aborted) return;
      this.show(said);
      this.channel.postMessage(said);
    }

    show(said) {
      document.documentElement.classList.toggle("adrift", Boolean(said.lost));
      if (said.lost) {
        for (const place of document.querySelectorAll(".live-why")) {
          place.dataset.usual = place.dataset.usual || place.textContent;
          place.textContent = said.words ? said.words + " What you see may be old." : place.dataset.usual;
        }
        return;
      }
      this.readyState = EventSource.OPEN;
      for (const [name, listener] of [...this.listeners]) {
        if (name === said.name) listener(new MessageEvent(name, { data: said.data }));
      }
    }
  }

  async function refusal(answer) {
    const problem = await answer.json().catch(() => ({}));
    return [problem.detail, problem.hint].filter((part) => part).join(" ");
  }

  window.moorageLive = { withSlot, pause, LOG_SLOTS, RESTS_AFTER, ASKS_EVERY };
  if (window.htmx) window.htmx.createEventSource = (url) => new SharedSource(url);
})();
