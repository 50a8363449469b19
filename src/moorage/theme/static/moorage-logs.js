/* A container's log, live, in the panel #logs. Without this script, each container's "Log" is a link to plain text. */
(function () {
  "use strict";
  const panel = document.getElementById("logs");
  if (!panel) return;
  const pre = panel.querySelector(".log-lines");
  const pause = panel.querySelector(".log-pause");
  const said = panel.querySelector(".log-state");
  const MOST = 4000; /* lines kept in the page */
  const ESCAPES = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-Z\\-_])/g;

  let following = null; /* {container, controller} */
  let paused = false;
  let waiting = [];
  let kept = 0;
  let partial = "";

  function lines(text) {
    const parts = (partial + text).split("\n");
    partial = parts.pop();
    return parts.map((line) => line.replace(ESCAPES, "").split("\r").filter((part) => part).pop() || "");
  }

  function show(more) {
    if (!more.length) return;
    if (paused) {
      waiting = waiting.concat(more).slice(-MOST);
      said.textContent = waiting.length + " new";
      return;
    }
    const atEnd = pre.scrollHeight - pre.scrollTop - pre.clientHeight < 40;
    pre.append(document.createTextNode(more.join("\n") + "\n"));
    kept += more.length;
    while (kept > MOST && pre.childNodes.length > 1) {
      kept -= pre.firstChild.data.split("\n").length - 1;
      pre.firstChild.remove();
    }
    if (atEnd) pre.scrollTop = pre.scrollHeight;
  }

  function say(text) {
    if (!paused || !waiting.length) said.textContent = text;
  }

  async function follow(container) {
    if (following) following.controller.abort();
    const mine = { container: container, controller: new AbortController() };
    following = mine;
    panel.hidden = false;
    forget();
    panel.querySelector(".log-of").textContent = container;
    const all = panel.dataset.logs + "?container=" + encodeURIComponent(container);
    panel.querySelector(".log-all").href = all;
    await read(mine, all);
  }

  /* Live while there is a connection to spare for it (moorage-live.js); else anew every few seconds. */
  async function read(mine, all) {
    const { withSlot, pause: wait, LOG_SLOTS, ASKS_EVERY } = window.moorageLive;
    say("connecting");
    while (following === mine) {
      try {
        if (await withSlot(LOG_SLOTS, () => stream(mine, all + "&follow=true&tail=500"))) return;
        if (!(await glance(mine, all + "&tail=500"))) return;
      } catch (error) {
        if (error.name === "AbortError") return;
        say("the connection broke off; trying again");
      }
      await wait(ASKS_EVERY, mine.controller.signal).catch(() => {});
    }
  }

  async function stream(mine, url) {
    const answer = await ask(mine, url);
    if (!answer) return;
    forget();
    say("following");
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const chunk = await reader.read();
      if (following !== mine) return;
      if (chunk.done) break;
      show(lines(chunk.value));
    }
    if (partial) show(lines("\n"));
    end(mine, "has ended");
  }

  async function glance(mine, url) {
    if (paused) return true;
    const answer = await ask(mine, url);
    if (!answer) return false;
    const text = await answer.text();
    if (following !== mine || paused) return following === mine;
    say("read every few seconds, as other pages follow logs");
    if (mine.read === text) return true;
    mine.read = text;
    const atEnd = pre.scrollHeight - pre.scrollTop - pre.clientHeight < 40;
    const before = pre.scrollTop;
    forget();
    show(lines(text.endsWith("\n") ? text : text + "\n"));
    if (!atEnd) pre.scrollTop = before;
    return true;
  }

  async function ask(mine, url) {
    const answer = await fetch(url, { signal: mine.controller.signal });
    if (answer.ok) return answer;
    const problem = await answer.json().catch(() => ({}));
    end(mine, problem.detail || "cannot be read at the moment");
    return null;
  }

  function forget() {
    pre.textContent = "";
    partial = "";
    waiting = [];
    kept = 0;
  }

  function end(mine, why) {
    if (following !== mine) return;
    following = null;
    say(why);
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-log]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    chosen = link.dataset.log;
    follow(chosen);
    panel.scrollIntoView({ block: "nearest" });
    pre.focus({ preventScroll: true });
  });

  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.querySelector("span").textContent = paused ? "Go on" : "Pause";
    if (paused) return;
    const held = waiting;
    waiting = [];
    say(following ? "following" : "has ended");
    show(held);
    pre.scrollTop = pre.scrollHeight;
  });

  /* The first container that runs is followed by itself; one that ended and runs again is taken up again. Nothing is
     followed while nobody looks: a browser opens few connections to one host. */
  let chosen = "";
  let resting = 0;

  function takeUp() {
    if (document.hidden || following) return;
    const running = [...document.querySelectorAll("#containers-panel .container-row")].filter((row) => row.querySelector(".tone-good"));
    const rows = running.map((row) => row.querySelector("[data-log]")).filter((link) => link);
    const found = rows.find((link) => link.dataset.log === chosen) || (chosen ? null : rows[0]);
    if (!found) return;
    chosen = found.dataset.log;
    follow(chosen);
  }

  document.addEventListener("htmx:sseMessage", takeUp);
  document.addEventListener("visibilitychange", () => {
    window.clearTimeout(resting);
    if (!document.hidden) return takeUp();
    resting = window.setTimeout(() => {
      if (!following) return;
      following.controller.abort();
      following = null;
    }, window.moorageLive.RESTS_AFTER);
  });
  takeUp();
})();
