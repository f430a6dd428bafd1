// Loss curves: every step thin, the mean of each epoch thick.

import { readColour } from "./palette.js";

/** Draw onto a canvas of the page's size; `epochs` are [total, reconstruction, activation], `steps` totals, of `total` epochs. */
export function drawLosses(canvas, epochs, steps, total) {
  const scale = devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (!width) return;
  canvas.width = width * scale;
  canvas.height = height * scale;
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  const most = Math.max(1e-9, ...epochs.flat().filter((v) => v !== null), ...findHighest(steps));
  const [left, bottom] = [34, 16];
  const x = (epoch) => left + ((width - left - 6) * epoch) / Math.max(1, total);
  const y = (loss) => 6 + (height - bottom - 6) * (1 - Math.min(1, loss / most));
  context.font = "10px system-ui, sans-serif";
  context.fillStyle = readColour("soft");
  context.strokeStyle = readColour("line");
  context.lineWidth = 1;
  for (const part of [0, 0.5, 1]) {
    context.beginPath();
    context.moveTo(left, y(most * part));
    context.lineTo(width - 6, y(most * part));
    context.stroke();
    context.textAlign = "right";
    if (epochs.length) context.fillText(part === 0 ? "0" : formatLoss(most * part), left - 5, y(most * part) + 3);
  }
  context.textAlign = "center";
  for (let epoch = 0; epoch <= total; epoch += Math.max(1, Math.ceil(total / 5))) context.fillText(String(epoch), x(epoch), height - 3);
  const perEpoch = epochs.length ? steps.length / epochs.length : 1;
  if (!epochs.length) context.fillText("the first epoch is not done yet", (left + width) / 2, y(most / 2) - 5);
  drawLine(context, steps.map((loss, i) => [x((i + 1) / perEpoch), loss === null ? null : y(loss)]), readColour("line-strong"), 1);
  const styles = [[readColour("focus"), []], [readColour("ink"), [4, 3]], [readColour("soft"), [1.5, 3]]];
  styles.forEach(([colour, dash], i) => {
    if (!isDrawn(epochs, i)) return;
    context.setLineDash(dash);
    const points = epochs.map((losses, epoch) => [x(epoch + 1), losses[i] === null ? null : y(losses[i])]);
    drawLine(context, points, colour, i === 0 ? 2 : 1.5);
    context.setLineDash([]);
    if (i === 0) for (const [px, py] of points) if (py !== null) { context.fillStyle = colour; context.beginPath(); context.arc(px, py, 2.5, 0, 7); context.fill(); }
  });
}

/** Tell whether a loss is drawn: the total, and parts that differ from it. With R, marks change the remixes and not the loss. */
export function isDrawn(epochs, which) {
  return which === 0 || epochs.some((losses) => losses[which] && losses[which] !== losses[0]);
}

function formatLoss(value) {
  return value >= 0.01 && value < 1000 ? String(Number(value.toPrecision(2))) : value.toExponential(0);
}

function findHighest(steps) {
  const known = steps.filter((loss) => loss !== null).sort((a, b) => a - b);
  return known.length ? [known[Math.floor(0.98 * (known.length - 1))]] : [];
}

function drawLine(context, points, colour, width) {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.lineJoin = "round";
  context.beginPath();
  let drawing = false;
  for (const [px, py] of points) {
    if (py === null) drawing = false;
    else if (drawing) context.lineTo(px, py);
    else { context.moveTo(px, py); drawing = true; }
  }
  context.stroke();
}
