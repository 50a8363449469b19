/* What a workspace's containers use now, in the panel #usage: asked for every few seconds while somebody sees the page, and not else. */
(function () {
  "use strict";
  const panel = document.getElementById("usage");
  if (!panel) return;
  const rows = panel.querySelector(".usage-rows");
  const EVERY = 5000;
  const SELDOM = 30000; /* when there was nothing to show */
  const HIGH = 0.9;
  let timer = 0;
  let asking = false;

  function bytes(count) {
    const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let unit = 0;
    for (; count >= 1024 && unit < 4; unit += 1) count /= 1024;
    return (unit && count < 10 ? count.toFixed(1) : Math.round(count)) + " " + units[unit];
  }

  function cpus(millicores) {
    return (millicores / 1000).toFixed(millicores < 10000 ? 2 : 0);
  }

  function made(tag, kind, text) {
    const element = document.createElement(tag);
    element.className = kind;
    if (text) element.textContent = text;
    return element;
  }

  function measure(of, name, used, limit, words, unlimited) {
    const cell = made("span", "usage-cell");
    const high = limit && used / limit >= HIGH;
    cell.append(made("span", "usage-name soft", name));
    cell.append(made("span", "usage-words", words(used) + (limit ? " of " + words(limit) : unlimited) + (high ? ": nearly all" : "")));
    if (limit) {
      const bar = made("meter", "usage-bar" + (high ? " usage-high" : ""));
      bar.setAttribute("aria-label", name + " of " + of);
      bar.max = limit;
      bar.value = Math.min(used, limit);
      cell.append(bar);
    }
    return cell;
  }

  function row(item) {
    const line = made("li", "usage-row");
    line.append(made("strong", "usage-of", item.name));
    if (item.unknown) line.append(made("span", "soft", "Not known: " + item.unknown));
    else {
      line.append(measure(item.name, "CPU", item.cpu, item.cpu_limit, cpus, " CPUs, no limit"));
      line.append(measure(item.name, "Memory", item.memory, item.memory_limit, bytes, ", no limit"));
    }
    if (item.out_of_memory) {
      const times = item.out_of_memory === 1 ? "once" : item.out_of_memory + " times";
      const limit = item.memory_limit ? " at its limit of " + bytes(item.memory_limit) : "";
      line.append(made("span", "usage-killed", "A program in it was ended " + times + " for want of memory" + limit + "."));
    }
    return line;
  }

  function show(usage) {
    const lines = usage.containers.map(row);
    if (usage.disk_total) {
      const disk = made("li", "usage-row");
      disk.append(made("strong", "usage-of", "Disk"));
      disk.append(measure("the file system of the projects", "In use", usage.disk_used, usage.disk_total, bytes, ""));
      disk.append(made("span", "usage-note soft small-text", "Of the file system that its projects lie on, with what others keep there."));
      lines.push(disk);
    }
    rows.replaceChildren(...lines);
    panel.hidden = lines.length === 0;
    return lines.length > 0;
  }

  async function ask() {
    clearTimeout(timer);
    if (asking || document.visibilityState !== "visible") return;
    if (!document.getElementById("containers-panel")) { /* it does not run */
      panel.hidden = true;
      timer = setTimeout(ask, 1000); /* looks at the page alone */
      return;
    }
    asking = true;
    let next = SELDOM;
    try {
      const answer = await fetch(panel.dataset.usage, { headers: { Accept: "application/json" } });
      if (answer.status === 401 || answer.status === 403 || answer.status === 404) return;
      if (answer.ok && show(await answer.json())) next = EVERY;
      else if (!answer.ok) panel.hidden = true;
    } catch (error) {
      panel.hidden = true; /* the page itself says that the connection is lost */
    } finally {
      asking = false;
    }
    timer = setTimeout(ask, next);
  }

  document.addEventListener("visibilitychange", ask);
  ask();
})();
