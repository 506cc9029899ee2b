"use strict";
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const byId = (id) => document.getElementById(id);
  const kept = { // what was chosen outlives a reload of a watched page
    get: (key) => { try { return sessionStorage.getItem(key); } catch { return null; } },
    set: (key, value) => { try { sessionStorage.setItem(key, value); } catch { /* it is only a comfort */ } },
  };

  const charts = read("charts"), gallery = read("gallery");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const chart = byId("chart"), metric = byId("metric"), log = byId("log");
  const CONFIG = { // a list of what the bar holds: nothing of it leaves the page
    responsive: true, displaylogo: false, modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
  };
  let printing = false;
  const hidden = new Set(JSON.parse(kept.get("hidden") || "[]"));

  function draw() {
    const shown = charts[metric.value];
    log.disabled = !shown.may_be_log;
    const night = dark.matches && !printing;
    const ink = night ? "#e4e6e9" : "#1a1d21", grid = night ? "#ffffff2e" : "#00000024";
    const scale = log.checked && shown.may_be_log ? { type: "log", range: shown.range } : { type: "linear", autorange: true };
    const last = Math.max(...shown.traces.flatMap((trace) => trace.x));
    const axis = { gridcolor: grid, zerolinecolor: grid, linecolor: grid, automargin: true };
    const layout = {
      uirevision: metric.value,
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: ink, family: "system-ui, sans-serif", size: 13 },
      hovermode: "x unified", hoverlabel: { bgcolor: night ? "#23272d" : "#ffffff", font: { color: ink } },
      legend: { orientation: "h", y: -0.18 }, margin: { t: 10, r: 10, b: 40, l: 60 },
      xaxis: { ...axis, title: { text: "generation" }, ...(last > 10 ? {} : { dtick: 1 }), unifiedhovertitle: { text: "generation %{x}" }, rangemode: "tozero" },
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
  }

  function choose() {
    startLog();
    kept.set("metric", charts[metric.value].name);
    draw();
  }

  if (charts.length) {
    const before = charts.findIndex((each) => each.name === kept.get("metric"));
    metric.value = String(Math.max(0, before));
    startLog();
    draw().then(() => chart.on("plotly_restyle", keepHidden));
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
      none.textContent = generation > arm.last ? `ends at generation ${arm.last}` : "no picture";
    });
    kept.set("generation", String(generation));
  }

  if (slider) {
    const before = gallery.generations.indexOf(Number(kept.get("generation")));
    if (before >= 0) slider.value = String(before);
    show();
    slider.addEventListener("input", show);
    let timer = null;
    const stop = () => { clearInterval(timer); timer = null; play.textContent = "play"; };
    play.addEventListener("click", () => {
      if (timer) { stop(); return; }
      if (Number(slider.value) === gallery.generations.length - 1) slider.value = "-1";
      play.textContent = "stop";
      timer = setInterval(() => {
        slider.value = String(Number(slider.value) + 1);
        show();
        if (Number(slider.value) === gallery.generations.length - 1) stop();
      }, 400);
    });
  }

  const moving = byId("moving");
  if (moving && matchMedia("(prefers-reduced-motion: reduce)").matches) moving.open = false;
})();
