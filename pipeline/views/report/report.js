"use strict";
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const byId = (id) => document.getElementById(id);
  const named = (key) => `${document.body.dataset.experiment}: ${key}`; // pages of other experiments open in the same tab, too
  const kept = { // what was chosen outlives a reload of a watched page
    get: (key) => { try { return sessionStorage.getItem(named(key)); } catch { return null; } },
    set: (key, value) => { try { sessionStorage.setItem(named(key), value); } catch { /* it is only a comfort */ } },
    drop: (key) => { try { sessionStorage.removeItem(named(key)); } catch { /* nor is it there */ } },
  };

  const charts = read("charts"), gallery = read("gallery");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const chart = byId("chart"), metric = byId("metric"), log = byId("log"), curves = byId("curves");
  const CONFIG = { // a list of what the bar holds: nothing of it leaves the page
    responsive: true, displaylogo: false, modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
  };
  let printing = false;
  const hidden = new Set(JSON.parse(kept.get("hidden") || "[]"));

  function between([low, high]) { // labels 1, 2, 5, 10 on a logarithmic axis of few decades; a narrow one's as on a linear one
    const decades = high - low;
    if (decades < 0.7) return null;
    return decades < 2.5 ? "D2" : Math.max(1, Math.ceil(decades / 8));
  }

  function label() { // anew after a zoom
    const { type, range, dtick } = chart.layout.yaxis;
    if (type === "log" && range && (dtick ?? null) !== between(range)) Plotly.relayout(chart, { "yaxis.dtick": between(range) });
  }

  function draw() {
    const shown = charts[metric.value];
    log.disabled = !shown.may_be_log;
    const night = dark.matches && !printing;
    const ink = night ? "#e4e6e9" : "#1a1d21", grid = night ? "#ffffff2e" : "#00000024";
    const scale = log.checked && shown.may_be_log ? { type: "log", range: shown.range, dtick: between(shown.range) } : { type: "linear", autorange: true };
    const last = Math.max(...shown.traces.flatMap((trace) => trace.x));
    const spare = last > 1 ? Math.max(0.02 * (last - 1), 0.1) : 0.5; // the axis begins and ends with the data
    const axis = { gridcolor: grid, zerolinecolor: grid, linecolor: grid, automargin: true };
    const layout = {
      uirevision: metric.value,
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: ink, family: "system-ui, sans-serif", size: 13 },
      hovermode: "x unified", hoverlabel: { bgcolor: night ? "#23272d" : "#ffffff", font: { color: ink } },
      legend: { orientation: "h", y: -0.18, uirevision: [...hidden].join(" ") }, margin: { t: 10, r: 10, b: 40, l: 60 },
      xaxis: { ...axis, title: { text: "generation" }, ...(last > 10 ? {} : { dtick: 1 }), unifiedhovertitle: { text: "generation %{x}" }, range: [1 - Math.min(spare, 0.9), last + spare] },
      yaxis: { ...axis, title: { text: shown.label }, ...scale, tickformat: "~g", uirevision: `${metric.value} ${scale.type}` },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: night ? "#9aa2ab" : "#6a727b", activecolor: ink },
    };
    const traces = shown.traces.map((trace) => ({ ...trace, visible: hidden.has(trace.uid) ? "legendonly" : true }));
    return Plotly.react(chart, traces, layout, CONFIG);
  }

  function startLog() {
    const shown = charts[metric.value], before = kept.get(`log ${shown.name}`);
    log.checked = before === null ? shown.log : before === "true";
  }

  function keepHidden() {
    chart.data.forEach((trace) => { hidden[trace.visible === "legendonly" ? "add" : "delete"](trace.uid); });
    kept.set("hidden", JSON.stringify([...hidden]));
    tick();
  }

  function offer() { // a box for each name of the legend, which no keyboard reaches
    curves.querySelectorAll("label").forEach((label) => label.remove());
    const { traces } = charts[metric.value];
    traces.filter((trace) => trace.showlegend !== false).forEach((trace) => {
      const box = Object.assign(document.createElement("input"), { type: "checkbox", value: trace.uid });
      const label = document.createElement("label");
      label.append(box, ` ${trace.name}`);
      curves.append(label);
      const together = traces.filter((each) => each === trace || (trace.legendgroup && each.legendgroup === trace.legendgroup));
      box.addEventListener("change", () => {
        together.forEach(({ uid }) => hidden[box.checked ? "delete" : "add"](uid));
        kept.set("hidden", JSON.stringify([...hidden]));
        draw();
      });
    });
    tick();
  }

  function tick() {
    curves.querySelectorAll("input").forEach((box) => { box.checked = !hidden.has(box.value); });
  }

  function choose() {
    startLog();
    kept.set("metric", charts[metric.value].name);
    offer();
    draw();
  }

  if (charts.length) {
    const before = charts.findIndex((each) => each.name === kept.get("metric"));
    metric.value = String(Math.max(0, before));
    startLog();
    offer();
    draw().then(() => { chart.on("plotly_restyle", keepHidden); chart.on("plotly_relayout", label); });
    metric.addEventListener("change", choose);
    log.addEventListener("change", () => { kept.set(`log ${charts[metric.value].name}`, String(log.checked)); draw(); });
    dark.addEventListener("change", draw);
    addEventListener("beforeprint", () => { printing = true; draw(); });
    addEventListener("afterprint", () => { printing = false; draw(); });
  }

  const slider = byId("slider"), play = byId("play");

  function show() {
    const place = Number(slider.value), generation = gallery.generations[place];
    byId("generation").textContent = `generation ${generation}`;
    slider.setAttribute("aria-valuetext", `generation ${generation}`);
    gallery.arms.forEach((arm, index) => {
      const image = byId(`grid${index}`), none = byId(`none${index}`), picture = arm.pictures[place];
      image.hidden = !picture;
      none.hidden = Boolean(picture);
      if (picture) { image.src = picture; image.alt = `samples of ${arm.name}, generation ${generation}`; }
      const later = arm.pictures.slice(place).some(Boolean) ? "no picture" : "not made yet";
      none.textContent = generation > arm.expected ? `ends at generation ${arm.expected}` : later;
    });
  }

  function keepPlace() { // the newest is no choice: a page that reloads itself goes on to what is newer
    const place = Number(slider.value);
    if (place === gallery.generations.length - 1) kept.drop("generation");
    else kept.set("generation", String(gallery.generations[place]));
  }

  function nearest(wanted) {
    const far = gallery.generations.map((generation) => Math.abs(generation - wanted));
    return far.indexOf(Math.min(...far));
  }

  if (slider) {
    const before = kept.get("generation");
    slider.value = String(before === null ? gallery.generations.length - 1 : nearest(Number(before)));
    show();
    slider.addEventListener("input", () => { show(); keepPlace(); });
    let timer = null;
    const stop = () => { clearInterval(timer); timer = null; play.textContent = "play"; keepPlace(); };
    play.addEventListener("click", () => {
      if (timer) { stop(); return; }
      if (Number(slider.value) === gallery.generations.length - 1) slider.value = "0";
      show();
      play.textContent = "stop";
      timer = setInterval(() => {
        slider.value = String(Number(slider.value) + 1);
        show();
        if (Number(slider.value) === gallery.generations.length - 1) stop();
      }, 400);
    });
  }

  addEventListener("beforeprint", () => {
    document.querySelectorAll("details:not([open])").forEach((each) => { each.open = true; each.dataset.closed = ""; });
  });
  addEventListener("afterprint", () => {
    document.querySelectorAll("details[data-closed]").forEach((each) => { each.open = false; delete each.dataset.closed; });
  });

  const moving = byId("moving");
  if (moving && matchMedia("(prefers-reduced-motion: reduce)").matches) moving.open = false;
})();
