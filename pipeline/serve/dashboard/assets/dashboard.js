// Reads a chart's own table aloud where the pointer or the arrow keys are, and answers the text box in its place.
// The page is whole without it: charts are drawn by the server, and the form is a form.
"use strict";

function readOuts(chart) {
  const plot = chart.querySelector("svg.over-time");
  const body = document.getElementById(chart.dataset.table);
  if (!plot || !body) return;
  const heads = [...body.closest("table").querySelectorAll("thead th")].map((head) => head.textContent.trim());
  const rows = [...body.rows].map((row) => ({ at: Number(row.dataset.at), row })).sort((one, other) => one.at - other.at);
  if (!rows.length) return;
  const rule = chart.appendChild(document.createElement("div"));
  const told = chart.appendChild(document.createElement("div"));
  rule.className = "rule";
  told.className = "read-out";
  told.setAttribute("role", "status");
  rule.hidden = told.hidden = true;
  let place = -1;

  const hide = () => { rule.hidden = told.hidden = true; place = -1; };
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
    told.replaceChildren(title, ...lines);
    rule.hidden = told.hidden = false;
    const box = plot.getBoundingClientRect();
    const width = chart.clientWidth;
    const left = box.left - chart.getBoundingClientRect().left + (box.width * at) / 100;
    rule.style.left = `${left}px`;
    rule.style.top = `${plot.getBoundingClientRect().top - chart.getBoundingClientRect().top}px`;
    rule.style.height = `${box.height - 24}px`;
    const room = told.offsetWidth;
    told.style.left = `${Math.max(0, Math.min(width - room, left + 14 + room > width ? left - room - 14 : left + 14))}px`;
    told.style.top = "16px";
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

function answerInPlace(form, answer) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    try {
      const found = await fetch(`${form.action}?part=1`, { method: "POST", body: new URLSearchParams(new FormData(form)) });
      // The service escapes every word of it; what it does not mean as a page is shown as words.
      if ((found.headers.get("content-type") || "").startsWith("text/html")) {
        const parsed = new DOMParser().parseFromString(await found.text(), "text/html");
        answer.replaceChildren(...parsed.body.childNodes);
      } else {
        answer.textContent = `No answer (${found.status}). Try again in a moment.`;
      }
    } catch {
      answer.textContent = "The service does not answer. Try again in a moment.";
    } finally {
      button.disabled = false;
    }
  });
}

document.querySelectorAll("figure.chart").forEach(readOuts);
const form = document.getElementById("try-form");
if (form) answerInPlace(form, document.getElementById("tried"));
