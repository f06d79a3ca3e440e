"use strict";
(() => {
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const config = { displayModeBar: false, responsive: false, doubleClick: "reset", showTips: false };
  const touch = matchMedia("(pointer: coarse)").matches;
  const drawn = new Set();
  let printing = false;

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const themed = () => ({ ink: colour("--ink"), soft: colour("--soft"), rule: colour("--rule"), paper: colour("--paper") });

  const axisOf = (axis, theme) => ({
    gridcolor: theme.rule, linecolor: theme.rule, zerolinecolor: theme.rule, zeroline: false, automargin: true,
    tickfont: { size: 12, color: theme.soft }, fixedrange: true, ...axis,
    ...(axis && axis.title ? { title: { font: { size: 12, color: theme.soft }, standoff: 6, ...axis.title } } : {}),
  });

  // Dark lines are hard to see on a dark page.
  const lighter = { "#0072B2": "#56B4E9", "#6B6B6B": "#A8A8A8", "#D55E00": "#F0803C" };
  const isDark = () => !printing && matchMedia("(prefers-color-scheme: dark)").matches;

  const isNarrow = (box) => box.classList.contains("timeline") && box.clientWidth < 480;

  function dataOf(box) {
    let { data } = charts[box.dataset.chart];
    // 120 points of 5 px would hide their line on a phone.
    if (isNarrow(box)) data = data.map((trace) => (trace.mode === "lines+markers" ? { ...trace, marker: { ...trace.marker, size: 2.5 } } : trace));
    if (!isDark()) return data;
    return data.map((trace) => {
      const light = { ...trace };
      for (const part of ["line", "marker"]) {
        const dark = trace[part]?.color;
        if (lighter[dark]) light[part] = { ...trace[part], color: lighter[dark] };
      }
      return light;
    });
  }

  // Of labels that would lie on each other the first one stays; their text is in the page besides.
  function apart(notes, range, width) {
    const taken = [];
    return notes.filter((note) => {
      const length = 6.5 * note.text.length + 8;
      const place = (width * (note.x - range[0])) / (range[1] - range[0]);
      const start = note.xanchor === "right" ? place - length : place;
      const fits = taken.every(([y, from, to]) => y !== note.y || start >= to || start + length <= from);
      if (fits) taken.push([note.y, start, start + length]);
      return fits;
    });
  }

  function layoutOf(box) {
    const theme = themed();
    // A copy: plotly writes the range of a drag into the array that it was given.
    const given = structuredClone(charts[box.dataset.chart].layout);
    const isTimeline = box.classList.contains("timeline");
    const layout = {
      // To the right half of a last label fits: plotly would else widen the margin, lose the label, and so on.
      margin: { l: isTimeline ? 56 : 42, r: isTimeline ? 10 : 20, t: isTimeline ? 22 : 8, b: 34 },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: theme.ink },
      showlegend: false, hovermode: "closest", dragmode: isTimeline && !touch ? "zoom" : false,
      hoverlabel: { bgcolor: theme.paper, bordercolor: theme.soft, font: { size: 12, color: theme.ink }, align: "left" },
      bargap: 0, width: box.clientWidth, height: given.height || box.clientHeight,
    };
    for (const [key, value] of Object.entries(given)) {
      layout[key] = /^[xy]axis/.test(key) ? axisOf(value, theme) : value;
    }
    for (const key of ["xaxis", "yaxis"]) layout[key] = layout[key] || axisOf({}, theme);
    layout.xaxis = { showgrid: false, ticks: "outside", ...layout.xaxis };
    // Upright, and as many as have room: a label of time is some 60 px wide.
    if (isTimeline) layout.xaxis = { ...layout.xaxis, tickangle: 0, nticks: Math.max(3, Math.floor(box.clientWidth / 90)) };
    // The legend names this axis, too.
    if (isNarrow(box) && layout.yaxis2) delete layout.yaxis2.title;
    layout.yaxis = { nticks: 6, ...layout.yaxis };
    const plotWidth = box.clientWidth - layout.margin.l - layout.margin.r;
    const notes = given.annotations || [];
    layout.annotations = (isTimeline ? apart(notes, given.xaxis.range, plotWidth) : notes).map((note) => ({ font: { size: 12, color: theme.soft }, ...note }));
    if (isTimeline) layout.xaxis.fixedrange = false;
    if (!isTimeline && !given.xaxis?.title) layout.margin.b = 24;
    return layout;
  }

  function draw(box) {
    if (drawn.has(box) || !box.clientWidth) return;
    drawn.add(box);
    if (charts[box.dataset.chart].layout.height) box.style.height = `${charts[box.dataset.chart].layout.height}px`;
    Plotly.newPlot(box, dataOf(box), layoutOf(box), config);
    box.querySelectorAll("svg").forEach((svg) => svg.setAttribute("aria-hidden", "true"));
    // Afterwards: plotly itself goes back to the range that a redrawn chart began with.
    box.on("plotly_doubleclick", () => setTimeout(() => zoom(box, "reset")));
  }

  function redraw(box) {
    const range = box.layout.xaxis.range.slice();
    const layout = layoutOf(box);
    if (box.classList.contains("timeline")) layout.xaxis.range = range;
    Plotly.react(box, dataOf(box), layout, config);
  }

  function zoom(box, what) {
    draw(box);
    const whole = charts[box.dataset.chart].layout.xaxis.range;
    const [low, high] = box.layout.xaxis.range.map((end) => (typeof end === "number" ? end : Date.parse(`${end.replace(" ", "T")}Z`)));
    const width = high - low;
    const middle = (low + high) / 2;
    let range = whole;
    if (what === "in") range = [middle - width / 4, middle + width / 4];
    if (what === "out" && 2 * width < whole[1] - whole[0]) range = [middle - width, middle + width];
    if (what === "left" || what === "right") {
      const step = what === "left" ? Math.max(whole[0] - low, -width / 3) : Math.min(whole[1] - high, width / 3);
      range = [low + step, high + step];
    }
    Plotly.relayout(box, { "xaxis.range": range });
  }

  const keys = { "+": "in", "=": "in", "-": "out", "0": "reset", Escape: "reset", ArrowLeft: "left", ArrowRight: "right" };
  document.addEventListener("keydown", (event) => {
    const box = event.target;
    const what = keys[event.key];
    if (!what || !box.classList?.contains("timeline") || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    zoom(box, what);
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.(".tools button");
    if (button) zoom(document.getElementById(button.parentElement.dataset.for), button.dataset.do);
    const link = event.target.closest?.('a[href^="#"]');
    if (link) reveal(link.getAttribute("href").slice(1));
  });

  // A table's rows by the name in their first cell.
  document.addEventListener("input", (event) => {
    const box = event.target.closest?.(".searched");
    if (!box) return;
    const text = event.target.value.trim().toLowerCase();
    const rows = [...box.querySelectorAll("tbody tr")];
    for (const row of rows) row.hidden = !row.querySelector(".column").textContent.toLowerCase().includes(text);
    const found = rows.filter((row) => !row.hidden).length;
    box.querySelector("[role=status]").textContent = text ? `${found} of ${rows.length} found` : "";
  });

  function reveal(id) {
    let place = document.getElementById(id);
    while (place) {
      if (place.tagName === "DETAILS") place.open = true;
      place = place.parentElement;
    }
  }

  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) draw(entry.target);
  }, { rootMargin: "800px" });
  const boxes = [...document.querySelectorAll(".chart")];
  boxes.forEach((box) => seen.observe(box));

  let waiting = 0;
  const again = () => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(() => {
      for (const box of drawn) if (box.clientWidth && (box.clientWidth !== box.layout.width)) redraw(box);
    });
  };
  new ResizeObserver(again).observe(document.body);
  const recolour = () => { for (const box of drawn) if (box.clientWidth) redraw(box); };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);

  // On paper every chart is there, as wide as the page has it.
  const onPaper = () => { printing = true; boxes.forEach(draw); recolour(); };
  const onScreen = () => { printing = false; recolour(); };
  addEventListener("beforeprint", onPaper);
  addEventListener("afterprint", onScreen);
  matchMedia("print").addEventListener("change", (event) => (event.matches ? onPaper() : onScreen()));
  if (location.hash) reveal(location.hash.slice(1));
})();
