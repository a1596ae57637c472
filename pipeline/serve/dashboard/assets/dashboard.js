// Shows a chart's values at the pointer or by arrow keys, loads explanations without a new page, labels by key.
// The page works without this script: the server draws the charts, and the form is a plain form.
"use strict";

function addReadOut(chart) {
  const plot = chart.querySelector("svg.over-time");
  const body = document.getElementById(chart.dataset.table);
  if (!plot || !body) return;
  const heads = [...body.closest("table").querySelectorAll("thead th")].map((head) => head.textContent.trim());
  const rows = [...body.rows].map((row) => ({ at: Number(row.dataset.at), row })).sort((one, other) => one.at - other.at);
  if (!rows.length) return;
  const rule = chart.appendChild(document.createElement("div"));
  const readOut = chart.appendChild(document.createElement("div"));
  rule.className = "rule";
  readOut.className = "read-out";
  readOut.setAttribute("role", "status");
  rule.hidden = readOut.hidden = true;
  let place = -1;

  const hide = () => { rule.hidden = readOut.hidden = true; place = -1; };
  const show = (number) => {
    place = Math.max(0, Math.min(rows.length - 1, number));
    const { at, row } = rows[place];
    const words = [...row.cells].map((cell) => cell.textContent.trim().replace(/\s+/g, " "));
    const title = document.createElement("b");
    title.textContent = words[0];
    const lines = words.slice(1).map((word, index) => {
      const line = document.createElement("div");
      line.textContent = `${heads[index + 1]}: ${word}`;
      return line;
    });
    readOut.replaceChildren(title, ...lines);
    rule.hidden = readOut.hidden = false;
    const box = plot.getBoundingClientRect();
    const width = chart.clientWidth;
    const left = box.left - chart.getBoundingClientRect().left + (box.width * at) / 100;
    rule.style.left = `${left}px`;
    rule.style.top = `${plot.getBoundingClientRect().top - chart.getBoundingClientRect().top}px`;
    rule.style.height = `${box.height - 24}px`;
    const room = readOut.offsetWidth;
    readOut.style.left = `${Math.max(0, Math.min(width - room, left + 14 + room > width ? left - room - 14 : left + 14))}px`;
    readOut.style.top = "16px";
  };
  const nearest = (event) => {
    const box = plot.getBoundingClientRect();
    const at = (100 * (event.clientX - box.left)) / box.width;
    let best = 0;
    rows.forEach((one, number) => { if (Math.abs(one.at - at) < Math.abs(rows[best].at - at)) best = number; });
    return best;
  };
  plot.addEventListener("pointermove", (event) => show(nearest(event)));
  plot.addEventListener("pointerleave", hide);
  plot.setAttribute("tabindex", "0");
  plot.addEventListener("blur", hide);
  plot.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: -1, ArrowRight: 1 };
    if (event.key === "Escape") hide();
    if (!(event.key in steps)) return;
    event.preventDefault();
    show(place < 0 ? rows.length - 1 : place + steps[event.key]);
  });
}

function explainInPlace(form, explanation) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    try {
      const response = await fetch(`${form.action}?fragment=1`, { method: "POST", body: new URLSearchParams(new FormData(form)) });
      // The service escapes the text in its HTML; anything else is shown as plain text.
      if ((response.headers.get("content-type") || "").startsWith("text/html")) {
        const parsed = new DOMParser().parseFromString(await response.text(), "text/html");
        explanation.replaceChildren(...parsed.body.childNodes);
      } else {
        explanation.textContent = `No prediction (${response.status}). Retry in a moment.`;
      }
    } catch {
      explanation.textContent = "The service does not respond. Retry in a moment.";
    } finally {
      button.disabled = false;
    }
  });
}

function answerByKey(form) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.target.closest("input:not([type=checkbox]), textarea, select")) return;
    const key = event.key.toLowerCase();
    // Where a link or a button of another answer has the focus, Enter is for that.
    if (key === "enter" && event.target.closest("a, button:not(.type)")) return;
    const button = [...form.querySelectorAll("[data-key]")].find((one) => one.dataset.key === key);
    if (!button) return;
    event.preventDefault();
    button.click();
  });
  // One answer for each text, however fast the keys come.
  let sent = false;
  form.addEventListener("submit", (event) => {
    if (sent) event.preventDefault();
    sent = true;
  });
  // A page that the browser kept is shown again with the back button.
  window.addEventListener("pageshow", () => { sent = false; });
}

document.querySelectorAll("figure.chart").forEach(addReadOut);
const labelForm = document.getElementById("label-form");
if (labelForm) answerByKey(labelForm);
const form = document.getElementById("try-form");
if (form) explainInPlace(form, document.getElementById("explanation"));
