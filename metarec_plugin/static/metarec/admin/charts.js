// Draws each picture of the panel from the table below it, in the colours of the theme; without it the table is there.
"use strict";
(() => {
  const drawn = new Map();

  // What a variable of the theme comes to: it may be light-dark(), which a canvas does not know.
  function colour(name) {
    const probe = document.createElement("span");
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  }

  function faint(own) {
    return own.replace("rgb(", "rgba(").replace(")", ", 0.8)");
  }

  function number(text) {
    return text === undefined || text === "" ? null : Number(text);
  }

  // The table as labels and series; a column that the page hides from the picture is left out.
  function read(table) {
    const heads = [...table.tHead.rows[0].cells].slice(1);
    const rows = [...table.tBodies[0].rows];
    const labels = rows.map((row) => row.cells[0].textContent.trim());
    const series = heads.map((head, at) => ({
      name: head.textContent.trim(),
      unit: head.dataset.unit,
      hidden: "hidden" in head.dataset,
      cells: rows.map((row) => row.cells[at + 1]),
    }));
    return { labels, series: series.filter((each) => !each.hidden) };
  }

  function says(unit, value) {
    if (unit === "percent") return `${(100 * value).toLocaleString(document.documentElement.lang, { maximumFractionDigits: 1 })} %`;
    return value.toLocaleString(document.documentElement.lang, { maximumFractionDigits: 4 });
  }

  // A line from low to high through each point that has an interval.
  const intervals = {
    id: "metarecIntervals",
    afterDatasetsDraw(chart) {
      const { ctx } = chart;
      chart.data.datasets.forEach((set, at) => {
        const meta = chart.getDatasetMeta(at);
        if (meta.hidden || !set.metarecBounds) return;
        ctx.save();
        ctx.strokeStyle = set.borderColor;
        ctx.lineWidth = 1.5;
        meta.data.forEach((point, i) => {
          const [low, high] = set.metarecBounds[i];
          if (low === null || high === null || set.data[i] === null) return;
          const along = chart.options.indexAxis === "y" ? "x" : "y";
          const scale = chart.scales[along];
          const [a, b] = [scale.getPixelForValue(low), scale.getPixelForValue(high)];
          ctx.beginPath();
          if (along === "y") {
            ctx.moveTo(point.x, a); ctx.lineTo(point.x, b);
            for (const y of [a, b]) { ctx.moveTo(point.x - 4, y); ctx.lineTo(point.x + 4, y); }
          } else {
            ctx.moveTo(a, point.y); ctx.lineTo(b, point.y);
            for (const x of [a, b]) { ctx.moveTo(x, point.y - 4); ctx.lineTo(x, point.y + 4); }
          }
          ctx.stroke();
        });
        ctx.restore();
      });
    },
  };

  function draw(figure) {
    const kind = figure.dataset.metarecChart;
    const table = figure.querySelector("table");
    const holder = figure.querySelector(".metarec-canvas");
    if (kind === "none" || !table || !holder || !window.Chart) return;
    const { labels, series } = read(table);
    if (!labels.length || !series.length) return;
    drawn.get(figure)?.destroy();
    holder.replaceChildren();
    holder.hidden = false;
    const canvas = document.createElement("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", figure.querySelector("figcaption").textContent.trim());
    holder.append(canvas);
    const text = colour("--body-fg"), lines = colour("--hairline-color");
    const dots = kind === "interval";
    const datasets = series.map((each, at) => {
      const own = colour(`--metarec-series-${(at % 6) + 1}`);
      const bounds = each.cells.map((cell) => [number(cell.dataset.low), number(cell.dataset.high)]);
      return {
        label: each.name,
        data: each.cells.map((cell) => number(cell.dataset.value)),
        borderColor: own,
        backgroundColor: kind === "line" || dots ? own : faint(own),
        borderDash: kind === "line" && at % 2 ? [6, 3] : [],
        pointStyle: ["circle", "rectRot", "triangle", "rect", "star", "cross"][at % 6],
        pointRadius: dots ? 5 : labels.length > 45 ? 0 : 3,
        borderWidth: 2,
        showLine: !dots,
        tension: 0,
        spanGaps: false,
        metarecBounds: bounds.some(([low]) => low !== null) ? bounds : null,
      };
    });
    const extremes = datasets.flatMap((set) => (set.metarecBounds || []).flat()).filter((value) => value !== null);
    const unit = series[0].unit;
    const across = kind === "across"; // labels down the side, each of them shown
    const [down, along] = across ? ["y", "x"] : ["x", "y"];
    const chart = new window.Chart(canvas, {
      type: ["bar", "stack", "across"].includes(kind) ? "bar" : "line",
      data: { labels, datasets },
      plugins: [intervals],
      options: {
        responsive: true,
        maintainAspectRatio: false,
        indexAxis: down,
        animation: false,
        interaction: { mode: "index", intersect: false, axis: down },
        scales: {
          [down]: { stacked: kind === "stack", ticks: { color: text, maxRotation: dots ? 45 : 0, autoSkip: !(across || dots), autoSkipPadding: 12 }, grid: { display: false } },
          [along]: {
            stacked: kind === "stack",
            beginAtZero: !figure.closest("[data-metarec-zoom]"), // a curve that is about small gains fills its frame
            suggestedMin: extremes.length ? Math.min(...extremes) : undefined,
            suggestedMax: extremes.length ? Math.max(...extremes) : undefined,
            ticks: { color: text, maxTicksLimit: 6, callback: (value) => says(unit, value) },
            grid: { color: lines },
          },
        },
        plugins: {
          legend: { display: series.length > 1, labels: { color: text, usePointStyle: true } },
          tooltip: {
            callbacks: {
              label: (item) => `${item.dataset.label}: ${series[item.datasetIndex].cells[item.dataIndex].textContent.trim()}`,
            },
          },
        },
      },
    });
    drawn.set(figure, chart);
  }

  function drawAll(root = document) {
    root.querySelectorAll("[data-metarec-chart]").forEach(draw);
  }

  // For pages that change a table without a reload.
  window.metarecCharts = { draw, drawAll };
  document.addEventListener("DOMContentLoaded", () => drawAll());
  new MutationObserver(() => drawAll()).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme", "class"] });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll());
})();
