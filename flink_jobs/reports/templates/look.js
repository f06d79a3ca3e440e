"use strict";
// How charts look: colours of the page, room for labels. Of the pages that are files and of the live one.
const Look = (() => {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const themed = () => ({ ink: colour("--ink"), soft: colour("--soft"), rule: colour("--rule"), paper: colour("--panel") || colour("--paper") });

  // Dark colours are hard to see on a dark page, light ones dazzle.
  const darkened = {
    "#0072B2": "#56B4E9", "#6B6B6B": "#A8A8A8", "#D55E00": "#F0803C", "#222222": "#E8EAED",
    "#C9DDEC": "#27465C", "#7FB2D6": "#3D7BA6", "#E4E7EA": "#2B3138",
  };
  function recoloured(value) {
    if (typeof value === "string") return darkened[value] ?? value;
    if (Array.isArray(value)) return value.length > 64 ? value : value.map(recoloured);
    if (value === null || typeof value !== "object" || "bdata" in value) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, recoloured(inner)]));
  }

  const isNarrow = (box) => box.clientWidth < 480;
  const isTimeline = (box) => box.classList.contains("timeline");

  function dataOf(box, { data }, isDark) {
    // 120 points of 5 px would hide their line on a phone.
    const isCrowded = (trace) => isTimeline(box) && isNarrow(box) && trace.mode === "lines+markers";
    const drawn = data.map((trace) => (isCrowded(trace) ? { ...trace, marker: { ...trace.marker, size: 2.5 } } : trace));
    if (!isDark) return drawn;
    const parts = ["line", "marker", "colorscale", "textfont", "error_x", "error_y"];
    return drawn.map((trace) => ({ ...trace, ...Object.fromEntries(parts.filter((part) => part in trace).map((part) => [part, recoloured(trace[part])])) }));
  }

  const axisOf = (axis, theme) => ({
    gridcolor: theme.rule, linecolor: theme.rule, zerolinecolor: theme.rule, zeroline: false, automargin: true,
    tickfont: { size: 12, color: theme.soft }, fixedrange: true, ...axis,
    ...(axis?.title ? { title: { font: { size: 12, color: theme.soft }, standoff: 6, ...axis.title } } : {}),
  });

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

  function layoutOf(box, chart, isTouch) {
    const theme = themed();
    // A copy: plotly writes the range of a drag into the array that it was given.
    const given = structuredClone(chart.layout);
    const [overTime, narrow] = [isTimeline(box), isNarrow(box)];
    const layout = {
      // To the right half of a last label fits: plotly would else widen the margin, lose the label, and so on.
      margin: { l: overTime ? 56 : 42, r: overTime ? 10 : 20, t: overTime ? 22 : 8, b: 34 },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: theme.ink },
      showlegend: false, hovermode: "closest", dragmode: overTime && !isTouch ? "zoom" : false,
      hoverlabel: { bgcolor: theme.paper, bordercolor: theme.soft, font: { size: 12, color: theme.ink }, align: "left" },
      bargap: 0, width: box.clientWidth, height: given.height || box.clientHeight,
    };
    for (const [key, value] of Object.entries(given)) layout[key] = /^[xy]axis/.test(key) ? axisOf(value, theme) : value;
    for (const key of ["xaxis", "yaxis"]) layout[key] = layout[key] || axisOf({}, theme);
    layout.xaxis = { showgrid: false, ticks: "outside", ...layout.xaxis };
    layout.yaxis = { nticks: 6, ...layout.yaxis };
    // Upright, and as many as have room: a label of time is some 60 px wide.
    if (given.xaxis?.type === "date") layout.xaxis = { ...layout.xaxis, tickangle: 0, nticks: Math.max(3, Math.floor(box.clientWidth / (narrow ? 130 : 90))) };
    // The legend names this axis, too.
    if (overTime && narrow && layout.yaxis2) delete layout.yaxis2.title;
    const plotWidth = box.clientWidth - layout.margin.l - layout.margin.r;
    const notes = given.annotations || [];
    layout.annotations = (overTime ? apart(notes, given.xaxis.range, plotWidth) : notes).map((note) => ({ font: { size: 12, color: theme.soft }, ...note }));
    if (overTime) layout.xaxis.fixedrange = false;
    else if (!given.xaxis?.title) layout.margin.b = 24;
    return layout;
  }

  return { dataOf, layoutOf };
})();
