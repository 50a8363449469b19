/* What pages do beyond links and forms. Each part looks for a data- attribute; a page without any works all the same. */
(function () {
  "use strict";

  /* Live times: an element with data-seconds counts on from the moment it arrived (so that the clocks of browser and server
     need not agree). */
  const arrived = new WeakMap();

  function duration(seconds) {
    if (seconds < 60) return Math.floor(seconds) + " s";
    const whole = Math.floor(seconds);
    const two = (n) => String(n).padStart(2, "0");
    if (whole < 3600) return Math.floor(whole / 60) + " min " + two(whole % 60) + " s";
    if (whole < 86400) return Math.floor(whole / 3600) + " h " + two(Math.floor((whole % 3600) / 60)) + " min";
    return Math.floor(whole / 86400) + " d " + Math.floor((whole % 86400) / 3600) + " h";
  }

  function tick() {
    for (const element of document.querySelectorAll("[data-seconds]")) {
      const said = element.dataset.seconds;
      let known = arrived.get(element);
      if (!known || known.said !== said) {
        known = { said: said, at: performance.now() };
        arrived.set(element, known);
      }
      const text = duration(Number(said) + (performance.now() - known.at) / 1000);
      if (element.textContent !== text) element.textContent = text;
    }
  }

  function localTimes() {
    for (const element of document.querySelectorAll("time[data-epoch]")) {
      const title = new Date(Number(element.dataset.epoch) * 1000).toLocaleString();
      if (element.title !== title) element.title = title;
    }
  }

  /* Notices: shown for a while, kept while hovered or focused. */
  const MARK = {
    good: "M3.5 8.5l3 3 6-6.5",
    bad: "M8 2.5 14 13H2zM8 6.5v3M8 11.3h.01",
  };

  function notice(text, tone) {
    const place = document.getElementById("toasts");
    const toast = document.createElement("p");
    toast.className = "toast tone-" + tone;
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 16 16");
    svg.setAttribute("class", "icon");
    svg.setAttribute("aria-hidden", "true");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", MARK[tone] || MARK.good);
    svg.append(path);
    const words = document.createElement("span");
    words.textContent = text;
    toast.append(svg, words);
    place.append(toast);
    fade(toast);
  }

  function fade(toast) {
    const wait = toast.classList.contains("tone-bad") ? 12000 : 6000;
    window.setTimeout(function gone() {
      if (toast.matches(":hover")) return window.setTimeout(gone, 1000);
      toast.remove();
    }, wait);
  }

  document.addEventListener("notice", (event) => {
    const said = event.detail || {};
    notice(said.text || "", said.tone || "good");
  });
  document.addEventListener("htmx:sendError", () => notice("The server cannot be reached.", "bad"));
  document.addEventListener("htmx:responseError", (event) => {
    if (event.detail.xhr.status === 401) return window.location.reload();
    let problem = {};
    try { problem = JSON.parse(event.detail.xhr.responseText); } catch { /* no problem document: say it plainly */ }
    notice([problem.detail || "That did not work.", problem.hint].filter((words) => words).join(" "), "bad");
  });

  /* A live update never closes anything, and never opens what a person closed. */
  const touched = new WeakSet();
  document.addEventListener("click", (event) => {
    const summary = event.target.closest("summary");
    if (summary) touched.add(summary.parentElement);
  });
  if (window.Idiomorph) {
    window.Idiomorph.defaults.callbacks.beforeNodeMorphed = (old) => !(old.dataset && "keep" in old.dataset);
    window.Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, element, change) =>
      !(name === "open" && (touched.has(element) || change === "remove"))
      && !(name === "hidden" && (element.hasAttribute("data-copy") || element.hasAttribute("data-text")))
      && !(name === "checked" && element.hasAttribute("data-pick"))
      && !(name === "title" && element.hasAttribute("data-epoch"));
  }

  /* An element with data-go leads elsewhere as soon as it arrives ("": this page anew). Who is on the way elsewhere already, as
     after signing out on this very page, goes on there. */
  let leaving = false;
  window.addEventListener("beforeunload", () => {
    leaving = true;
    window.setTimeout(() => { leaving = false; go(); }, 5000);
  });

  function go() {
    const found = document.querySelector("[data-go]");
    if (!found || found.dataset.going || leaving) return;
    found.dataset.going = "1";
    if (found.dataset.go) window.location.replace(found.dataset.go);
    else window.location.reload();
  }

  /* A list that is searched and chosen from. What a search hides is not chosen: nothing happens to what nobody sees. */
  function filter() {
    const form = document.querySelector("[data-filters]");
    if (!form) return;
    const words = form.elements.q.value.toLowerCase().split(/\s+/).filter((word) => word);
    const group = form.elements.state.value;
    for (const row of document.querySelectorAll(form.dataset.filters + " [data-text]")) {
      const left = words.every((word) => row.dataset.text.includes(word)) && (!group || row.dataset.groups.split(" ").includes(group));
      if (row.hidden === left) row.hidden = !left;
      const pick = row.querySelector("[data-pick]");
      if (!left && pick) pick.checked = false;
    }
    count();
  }

  function count() {
    const form = document.querySelector("[data-picks]");
    if (!form) return;
    const rows = [...document.querySelectorAll(form.dataset.picks + " [data-text]")];
    const seen = rows.filter((row) => !row.hidden);
    const picks = seen.map((row) => row.querySelector("[data-pick]")).filter((pick) => pick && !pick.disabled);
    const chosen = picks.filter((pick) => pick.checked).length;
    const all = form.querySelector("#pick-all");
    all.parentElement.hidden = false;
    all.disabled = !picks.length;
    all.checked = chosen > 0 && chosen === picks.length;
    all.indeterminate = chosen > 0 && chosen < picks.length;
    form.querySelector(".pick-said").textContent = chosen ? chosen + " chosen" : "Choose all";
    for (const button of form.querySelectorAll("button")) button.hidden = !chosen;
    const said = seen.length === rows.length ? rows.length + (rows.length === 1 ? " workspace" : " workspaces") : seen.length + " of " + rows.length;
    const place = form.querySelector(".list-count");
    if (place.textContent !== said) place.textContent = said;
  }

  document.addEventListener("input", (event) => {
    const form = event.target.form;
    if (form && "filters" in form.dataset) {
      filter();
      const here = new URL(window.location.href);
      for (const name of ["q", "state"]) {
        const value = form.elements[name].value.trim();
        if (value) here.searchParams.set(name, value);
        else here.searchParams.delete(name);
      }
      window.history.replaceState(null, "", here);
    } else if (event.target.id === "pick-all") {
      for (const pick of document.querySelectorAll(form.dataset.picks + " [data-text]:not([hidden]) [data-pick]:not(:disabled)")) pick.checked = event.target.checked;
      count();
    } else if ("pick" in event.target.dataset) count();
  });
  document.addEventListener("submit", (event) => {
    if (!("filters" in event.target.dataset)) return;
    event.preventDefault();
    filter();
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const form = event.target.closest && event.target.closest("[data-picks]");
    if (!form || !event.detail.successful) return;
    for (const pick of document.querySelectorAll(form.dataset.picks + " [data-pick]")) pick.checked = false;
    count();
  });

  /* Whoever works by keyboard keeps their place: when the button that was pressed has gone, as Stop does, or rests while
     its request is under way, the focus goes to what stands in its place, and never onto what deletes. */
  const CONTROLS = "a[href], button:not(:disabled), input:not(:disabled)";
  let held = null; /* {home, own}: ids */

  document.addEventListener("focusin", (event) => {
    const home = event.target.closest("[data-focus-home]");
    const own = home && event.target.closest("[id]");
    held = home ? { home: home.id, own: own === home ? "" : own.id } : null;
  });
  document.addEventListener("pointerdown", (event) => {
    if (!event.target.closest("[data-focus-home]")) held = null;
  });

  function refocus() {
    const home = held && document.getElementById(held.home);
    if (!home || ![null, document.body, home].includes(document.activeElement)) return;
    const own = held.own && document.getElementById(held.own);
    const same = own && (own.matches(CONTROLS) ? own : own.querySelector(CONTROLS));
    const next = same || [...home.querySelectorAll(CONTROLS)].find((control) => !control.matches(".danger")) || home;
    if (next !== document.activeElement) next.focus({ preventScroll: true });
  }

  document.addEventListener("htmx:afterRequest", () => window.setTimeout(refocus, 0));

  /* Open when ready: asked for on a workspace's page, kept for this tab and that page. */
  const OPEN_KEY = "moorage-open-when-ready";

  document.addEventListener("change", (event) => {
    if (!("openWhenReady" in event.target.dataset)) return;
    if (event.target.checked) window.sessionStorage.setItem(OPEN_KEY, window.location.pathname);
    else window.sessionStorage.removeItem(OPEN_KEY);
  });

  function openWhenReady() {
    const asked = window.sessionStorage.getItem(OPEN_KEY) === window.location.pathname;
    const box = document.querySelector("[data-open-when-ready]");
    if (box) {
      box.checked = asked;
      box.closest("[hidden]")?.removeAttribute("hidden");
    }
    const editor = asked && document.getElementById("open-editor");
    if (!editor) return;
    window.sessionStorage.removeItem(OPEN_KEY);
    window.location.assign(editor.href);
  }

  /* Buttons: copy, ask first, say that something is under way. */
  document.addEventListener("click", (event) => {
    const copy = event.target.closest("[data-copy]");
    if (copy) return void copyText(copy);
    const opener = event.target.closest("[data-dialog]");
    const dialog = opener && document.getElementById(opener.dataset.dialog);
    if (dialog && dialog.showModal) {
      event.preventDefault();
      dialog.showModal();
      dialog.addEventListener("close", () => opener.focus(), { once: true });
      return;
    }
    if (event.target.matches("dialog.ask")) event.target.close();
  });

  async function copyText(button) {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      notice("Copied.", "good");
    } catch {
      const text = button.closest(".copyable").querySelector(".copyable-text");
      window.getSelection().selectAllChildren(text);
      notice("Selected: copy it with your keyboard.", "good");
    }
  }

  document.addEventListener("submit", (event) => {
    const button = event.target.querySelector("button[data-busy]");
    if (!button || event.defaultPrevented || event.target.hasAttribute("hx-post")) return;
    button.disabled = true;
    button.setAttribute("aria-busy", "true");
    const label = button.querySelector("span") || button;
    button.dataset.label = label.textContent;
    label.textContent = button.dataset.busy;
  });
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    for (const button of document.querySelectorAll("button[data-label]")) {
      button.disabled = false;
      button.removeAttribute("aria-busy");
      (button.querySelector("span") || button).textContent = button.dataset.label;
    }
  });

  /* Signing in: a link that was opened in another tab signs this one in too. */
  document.addEventListener("visibilitychange", () => {
    const input = document.querySelector("[data-recheck] input:not([type=hidden])");
    if (input && !document.hidden && !input.value) window.location.reload();
  });

  /* A tab hears of a new row twice where it asked for the whole list while another tab was told of the row. */
  function once() {
    const known = new Set();
    for (const row of document.querySelectorAll(".fleet > [id]")) {
      if (known.has(row.id)) row.remove();
      known.add(row.id);
    }
  }

  function settle() {
    once();
    for (const button of document.querySelectorAll("[data-copy][hidden]")) button.hidden = false;
    filter();
    refocus();
    openWhenReady();
    localTimes();
    tick();
    go();
  }

  document.documentElement.classList.add("scripted");
  document.addEventListener("htmx:sseMessage", settle);
  document.addEventListener("htmx:afterSettle", settle);
  document.addEventListener("DOMContentLoaded", () => {
    for (const toast of document.querySelectorAll(".toast")) fade(toast);
    const here = new URL(window.location.href);
    if (here.searchParams.has("done")) {
      here.searchParams.delete("done");
      window.history.replaceState(null, "", here);
    }
    settle();
  });
  window.setInterval(tick, 1000);
})();
