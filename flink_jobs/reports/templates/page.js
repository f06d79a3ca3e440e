"use strict";
(async () => {
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

  // The many timelines that few look at are unpacked when somebody does.
  async function unpackRest() {
    const text = document.getElementById("rest-packed");
    if (!text) return;
    const html = await unpacked("rest-packed");
    if (!text.isConnected) return;
    text.insertAdjacentHTML("beforebegin", html);
    text.remove();
    watch();
  }
  document.getElementById("rest")?.addEventListener("toggle", unpackRest);

  async function reveal(id) {
    if (/^m\d+$/.test(id) && !document.getElementById(id)) await unpackRest();
    let place = document.getElementById(id);
    const target = place;
    while (place) {
      if (place.tagName === "DETAILS") place.open = true;
      place = place.parentElement;
    }
    if (target && location.hash === `#${id}`) target.scrollIntoView();
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest?.('a[href^="#"]');
    if (link) setTimeout(() => reveal(link.getAttribute("href").slice(1)));
  });
  if (location.hash) reveal(location.hash.slice(1));

  let watch = () => {};
  // Texts were compressed: a page is 3 MB smaller, and unpacked in 0.1 s.
  function unpacked(id) {
    const text = atob(document.getElementById(id).textContent);
    const bytes = new Uint8Array(text.length);
    for (let place = 0; place < text.length; place += 1) bytes[place] = text.charCodeAt(place);
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  }
  if (!window.DecompressionStream) {
    document.getElementById("no-charts").hidden = false;
    return;
  }
  const [charts, plotly] = await Promise.all([unpacked("charts").then(JSON.parse), unpacked("plotly")]);
  const script = document.createElement("script");
  script.textContent = plotly;
  document.head.append(script);

  const config = { displayModeBar: false, responsive: false, doubleClick: "reset", showTips: false };
  const touch = matchMedia("(pointer: coarse)").matches;
  const drawn = new Set();
  let printing = false;
  const isDark = () => !printing && matchMedia("(prefers-color-scheme: dark)").matches;
  const dataOf = (box) => Look.dataOf(box, charts[box.dataset.chart], isDark());
  const layoutOf = (box) => Look.layoutOf(box, charts[box.dataset.chart], touch);

  function draw(box) {
    if (drawn.has(box) || !box.clientWidth) return;
    drawn.add(box);
    if (charts[box.dataset.chart].layout.height) box.style.height = `${charts[box.dataset.chart].layout.height}px`;
    Plotly.newPlot(box, dataOf(box), layoutOf(box), config);
    box.querySelectorAll("svg").forEach((svg) => svg.setAttribute("aria-hidden", "true"));
    // Afterwards: plotly itself goes back to the range that a redrawn chart began with.
    box.on("plotly_doubleclick", () => setTimeout(() => zoom(box, "reset")));
    box.on("plotly_click", ({ points }) => {
      const place = points[0].data.meta?.links?.[Math.round(points[0].y)];
      if (place) follow(place);
    });
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
    const box = button && document.getElementById(button.parentElement.dataset.for);
    if (box && button.dataset.do === "save") save(box);
    else if (box) zoom(box, button.dataset.do);
  });

  // Of twice the size, for chats and documents, on the paper of the page.
  function save(box) {
    draw(box);
    const paper = getComputedStyle(document.body).backgroundColor;
    const { data, layout } = box;
    Plotly.downloadImage({ data, layout: { ...layout, paper_bgcolor: paper }, config }, { format: "png", scale: 2, width: layout.width, height: layout.height, filename: box.dataset.file || "chart" });
  }

  function follow(id) {
    location.hash = id;
    reveal(id);
  }

  // One at a time: the first is seen before the next is begun.
  const near = new Set();
  function drawNext() {
    const [box] = near;
    if (!box) return;
    near.delete(box);
    draw(box);
    if (near.size) setTimeout(drawNext);
  }
  const seen = new IntersectionObserver((entries) => {
    const isIdle = !near.size;
    for (const entry of entries) if (entry.isIntersecting && !drawn.has(entry.target)) near.add(entry.target);
    if (isIdle) drawNext();
  }, { rootMargin: "800px" });
  const boxes = () => [...document.querySelectorAll(".chart")];
  watch = () => boxes().forEach((box) => seen.observe(box));
  watch();

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
  const onPaper = () => { printing = true; boxes().forEach(draw); recolour(); };
  const onScreen = () => { printing = false; recolour(); };
  addEventListener("beforeprint", onPaper);
  addEventListener("afterprint", onScreen);
  matchMedia("print").addEventListener("change", (event) => (event.matches ? onPaper() : onScreen()));
})();
