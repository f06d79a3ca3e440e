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

  Look.onLink((id) => {
    location.hash = id;
    reveal(id);
  });

  // One at a time: the first is seen before the next is begun.
  const near = new Set();
  function drawNext() {
    const [box] = near;
    if (!box) return;
    near.delete(box);
    Look.draw(box);
    if (near.size) setTimeout(drawNext);
  }
  const seen = new IntersectionObserver((entries) => {
    const isIdle = !near.size;
    for (const entry of entries) if (entry.isIntersecting && !entry.target.layout) near.add(entry.target);
    if (isIdle) drawNext();
  }, { rootMargin: "800px" });
  const boxes = () => [...document.querySelectorAll(".chart")];
  watch = () => {
    for (const box of boxes()) {
      Look.know(box, charts[box.dataset.chart]);
      seen.observe(box);
    }
  };
  watch();

  // On paper every chart is there, as wide as the page has it.
  const drawAll = () => boxes().filter((box) => !box.layout).forEach(Look.draw);
  addEventListener("beforeprint", drawAll);
  matchMedia("print").addEventListener("change", (event) => event.matches && drawAll());
})();
