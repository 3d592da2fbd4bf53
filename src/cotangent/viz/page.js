"use strict";
// The page of a computation graph. `G` is the graph as page.py wrote it: v vertices, l links, s scopes.
const [VERTEX, SCOPE, INPUT, OUTPUT, BEND] = [0, 1, 2, 3, 4];
const SPACE = 22, BEND_SPACE = 12, PAD = 16, HEADER = 22, SLOT = 13;

// ---- coordinates: the steps of place.py, in the same order ----------------------------------------------------
const turned = ([w, h]) => G.sideways ? [h, w] : [w, h];
const frame = () => G.sideways ? [PAD + HEADER, PAD, PAD, PAD] : [PAD, PAD, PAD + HEADER, PAD];

function placed(number, open) {
  const scope = G.s[number], made = {scope, number, size: [], at: [], ranks: [], routes: [], ports: {}, inner: {}};
  const [before, after, lead, tail] = frame();
  for (const [kind, ref] of scope.items) {
    if (kind === VERTEX) made.size.push(turned(G.v[ref].size));
    else if (kind === SCOPE && open.has(ref)) {
      const inner = made.inner[ref] = placed(ref, open);
      made.size.push([inner.across + before + after, inner.along + lead + tail]);
    } else if (kind === SCOPE) made.size.push(turned(G.s[ref].size));
    else made.size.push([2, 0]);
  }
  const slots = slotsOf(made);
  alongRanks(made, acrossRanks(made, slots), slots);
  return made;
}

function slotsOf(made) {
  const {scope} = made, place = {}, entering = new Map(), enters = {};
  for (const layer of scope.layers) layer.forEach((i, k) => { place[i] = k; });
  scope.routes.forEach((r, k) => {
    if (scope.items[r.target][0] !== VERTEX) return;
    if (!entering.has(r.target)) entering.set(r.target, []);
    entering.get(r.target).push(k);
  });
  for (const [target, routes] of entering) {
    const from = k => place[scope.routes[k].chain.at(-2)];
    routes.sort((a, b) => from(a) - from(b) || a - b);
    if (G.textbook) continue;
    const step = Math.min(SLOT, 0.7 * made.size[target][0] / routes.length);
    routes.forEach((route, k) => { enters[route] = (k - (routes.length - 1) / 2) * step; });
  }
  return scope.routes.map((r, k) => [
    portOf(made, r.source, OUTPUT, r.value), k in enters ? enters[k] : portOf(made, r.target, INPUT, r.value)]);
}

function portOf(made, i, kind, value) {
  const [what, ref] = made.scope.items[i];
  if (what !== SCOPE) return 0;
  if (made.inner[ref]) {
    const [before, after] = frame();
    return (made.inner[ref].ports[kind + ":" + value] || 0) + (before - after) / 2;
  }
  const ports = G.s[ref].ports[kind === INPUT ? 0 : 1], k = ports.indexOf(value);
  if (k < 0) return 0;
  return (k - (ports.length - 1) / 2) * Math.min(SLOT, 0.7 * made.size[i][0] / ports.length);
}

function acrossRanks(made, slots) {
  const {scope} = made, {items, layers} = scope;
  const above = items.map(() => []), below = items.map(() => []);
  scope.routes.forEach(({chain}, n) => {
    const [leaves, enters] = slots[n];
    for (let k = 0; k + 1 < chain.length; k++) {
      const a = chain[k], b = chain[k + 1];
      const bends = (items[a][0] === BEND) + (items[b][0] === BEND);
      let weight = bends === 2 ? 8 : bends ? 2 : 1;
      if (items[a][0] === VERTEX && G.v[items[a][1]].faint) weight = 0.1;
      const shift = (k === 0 ? leaves : 0) - (k === chain.length - 2 ? enters : 0);
      below[a].push([b, -shift, weight]);
      above[b].push([a, shift, weight]);
    }
  });
  const x = items.map(() => 0), room = [];
  for (const layer of layers) {
    const gaps = [0];
    for (let k = 0; k + 1 < layer.length; k++) {
      const a = layer[k], b = layer[k + 1];
      const space = items[a][0] === BEND || items[b][0] === BEND ? BEND_SPACE : SPACE;
      gaps.push((made.size[a][0] + made.size[b][0]) / 2 + space);
    }
    let at = -gaps.reduce((s, g) => s + g, 0) / 2;
    layer.forEach((i, k) => { at += gaps[k]; x[i] = at; });
    room.push(gaps);
  }
  for (let sweep = 0; sweep < (G.sideways ? 17 : 16); sweep++) {
    const down = sweep % 2 === 0;
    for (let q = 0; q < layers.length; q++) {
      const r = down ? q : layers.length - 1 - q, wanted = [], weights = [];
      for (const i of layers[r]) {
        let total = 0, weight = 0;
        const edges = sweep >= 8 && sweep < 16 ? above[i].concat(below[i]) : down ? above[i] : below[i];
        for (const [other, shift, w] of edges) { total += w * (x[other] + shift); weight += w; }
        wanted.push(weight ? total / weight : x[i]);
        weights.push(weight || 0.05);
      }
      settled(wanted, weights, room[r]).forEach((value, k) => { x[layers[r][k]] = value; });
    }
  }
  straighten(scope, x, room, above, below);
  return x;
}

function settled(wanted, weights, room) {
  let offset = 0;
  const offsets = [], blocks = [], found = [];
  wanted.forEach((want, k) => {
    offset += room[k];
    offsets.push(offset);
    let block = [want - offset, weights[k], 1];
    while (blocks.length && blocks.at(-1)[0] > block[0]) {
      const [mean, w, count] = blocks.pop();
      block = [(mean * w + block[0] * block[1]) / (w + block[1]), w + block[1], count + block[2]];
    }
    blocks.push(block);
  });
  for (const [mean, , count] of blocks)
    for (let k = 0; k < count; k++) found.push(mean + offsets[found.length]);
  return found;
}

function straighten(scope, x, room, above, below) {
  const where = {}, lines = [];
  scope.layers.forEach((layer, r) => layer.forEach((i, k) => { where[i] = [r, k]; }));
  const outs = below.map(edges => edges.filter(e => e[2] > 0.1).map(([b, shift]) => [b, -shift]));
  const ins = above.map(edges => edges.filter(e => e[2] > 0.1).map(([a, shift]) => [a, shift]));
  for (const layer of scope.layers) for (const first of layer) {
    if (ins[first].length === 1 && outs[ins[first][0][0]].length === 1) continue;
    const line = [[first, 0]];
    for (;;) {
      const [at, offset] = line.at(-1);
      if (outs[at].length !== 1 || ins[outs[at][0][0]].length !== 1) break;
      line.push([outs[at][0][0], offset + outs[at][0][1]]);
    }
    if (line.length > 1 || scope.items[first][0] === BEND) lines.push(line);
  }
  lines.sort((a, b) => b.length - a.length);
  for (const line of lines) {
    let low = -1e18, high = 1e18, total = 0;
    for (const [i, offset] of line) {
      const [r, k] = where[i], layer = scope.layers[r];
      if (k) low = Math.max(low, x[layer[k - 1]] + room[r][k] - offset);
      if (k + 1 < layer.length) high = Math.min(high, x[layer[k + 1]] - room[r][k + 1] - offset);
      total += x[i] - offset;
    }
    if (low > high) continue;
    let target = total / line.length;
    const before = ins[line[0][0]], after = outs[line.at(-1)[0]];
    const ends = before.length === 1 ? [x[before[0][0]] + before[0][1]] : [];
    if (after.length === 1) ends.push(x[after[0][0]] - after[0][1] - line.at(-1)[1]);
    for (const end of ends)
      if (low <= end && end <= high && Math.abs(end - target) < 60) { target = end; break; }
    target = Math.min(Math.max(target, low), high);
    for (const [i, offset] of line) x[i] = target + offset;
  }
}

function alongRanks(made, across, slots) {
  const {scope} = made, {items, layers} = scope, rank = {}, shift = layers.map(() => 0);
  const left = across.length ? Math.min(...across.map((x, i) => x - made.size[i][0] / 2)) : 0;
  across = across.map(x => x - left);
  made.across = across.length ? Math.max(...across.map((x, i) => x + made.size[i][0] / 2)) : 0;
  layers.forEach((layer, r) => layer.forEach(i => { rank[i] = r; }));
  scope.routes.forEach(({chain}, n) => {
    for (let k = 0; k + 1 < chain.length; k++) {
      const a = chain[k], b = chain[k + 1];
      const x = across[a] + (k === 0 ? slots[n][0] : 0), y = across[b] + (k === chain.length - 2 ? slots[n][1] : 0);
      shift[rank[a]] = Math.max(shift[rank[a]], Math.abs(x - y));
    }
  });
  let top = 0;
  layers.forEach((layer, r) => {
    const height = layer.length ? Math.max(...layer.map(i => made.size[i][1])) : 0;
    made.ranks.push([top, top + height]);
    const only = (row, kind) => row.every(i => items[i][0] === kind);
    const ports = (r + 1 < layers.length && only(layers[r + 1], OUTPUT)) || only(layer, INPUT);
    top += height + Math.max(ports ? 0.4 * G.gap : G.gap, Math.min(0.18 * shift[r], 3 * G.gap));
  });
  made.along = made.ranks.length ? made.ranks.at(-1)[1] : 0;
  across.forEach((x, i) => { const [a, b] = made.ranks[rank[i]]; made.at.push([x, (a + b) / 2]); });
  const [, , lead, tail] = frame();
  scope.routes.forEach(({chain}, n) => {
    const first = chain[0], last = chain.at(-1);
    let x = made.at[first][0] + slots[n][0], y = made.at[first][1] + made.size[first][1] / 2;
    if (items[first][0] === INPUT) y = made.ranks[rank[first]][0] - lead;
    const points = [[x, y], [x, made.ranks[rank[first]][1]]];
    for (const i of chain.slice(1, -1))
      points.push([made.at[i][0], made.ranks[rank[i]][0]], [made.at[i][0], made.ranks[rank[i]][1]]);
    x = made.at[last][0] + slots[n][1];
    y = made.at[last][1] - made.size[last][1] / 2;
    if (items[last][0] === OUTPUT) y = made.ranks[rank[last]][1] + tail;
    points.push([x, made.ranks[rank[last]][0]], [x, y]);
    made.routes.push(points);
  });
  items.forEach(([kind, ref], i) => {
    if (kind === INPUT || kind === OUTPUT) made.ports[kind + ":" + ref] = made.at[i][0] - made.across / 2;
  });
}

// ---- drawing --------------------------------------------------------------------------------------------------
const $ = id => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
function make(name, attributes, parent) {
  const made = document.createElementNS(SVG, name);
  for (const key in attributes) made.setAttribute(key, attributes[key]);
  if (parent) parent.append(made);
  return made;
}
const state = {open: new Set(G.open), sel: null, lang: G.lang, step: -1, timer: 0, hits: [], hit: -1, view: [0, 0, 1]};
const words = key => G.words[key][state.lang === "zh" ? 1 : 0];
const stage = $("stage"), world = $("world"), layers = {};
for (const name of ["frames", "edges", "pills", "nodes", "dots"]) layers[name] = make("g", {class: name}, world);
const shown = {v: new Map(), s: new Map()};
let edges = [], extent = [0, 0];
const point = (a, b) => G.sideways ? [b, a] : [a, b];

function curve(points) {
  const f = n => n.toFixed(1);
  let [x, y] = points[0], out = `M${f(x)} ${f(y)}`;
  for (let k = 1; k + 2 < points.length; k += 2) {
    const [x0, y0] = points[k], [x1, y1] = points[k + 1], [x2, y2] = points[k + 2];
    if (Math.abs(x0 - x) + Math.abs(y0 - y) > 0.05) out += `L${f(x0)} ${f(y0)}`;
    const m = (G.sideways ? x1 - x0 : y1 - y0) / 2;
    out += G.sideways ? `C${f(x0 + m)} ${f(y0)} ${f(x1 - m)} ${f(y1)} ${f(x1)} ${f(y1)}`
      : `C${f(x0)} ${f(y0 + m)} ${f(x1)} ${f(y1 - m)} ${f(x1)} ${f(y1)}`;
    if (Math.abs(x2 - x1) + Math.abs(y2 - y1) > 0.05) out += `L${f(x2)} ${f(y2)}`;
    [x, y] = [x2, y2];
  }
  return out;
}

function draw() {
  const made = placed(0, state.open), seen = {v: new Set(), s: new Set()};
  for (const name of ["frames", "edges", "pills", "dots"]) layers[name].replaceChildren();
  edges = [];
  extent = point(made.across, made.along);
  scopeAt(made, 0, 0, seen);
  for (const kind of ["v", "s"])
    for (const [ref, g] of shown[kind]) if (!seen[kind].has(ref)) { g.remove(); shown[kind].delete(ref); }
  mark();
}

function node(kind, ref, x, y) {
  let g = shown[kind].get(ref);
  if (!g) {
    g = make("g", {class: kind, tabindex: 0, role: "button"}, layers.nodes);
    g.dataset.ref = ref;
    shown[kind].set(ref, g);
  }
  const art = kind === "v" ? G.v[ref].art : G.s[ref].art[state.lang === "zh" ? 1 : 0];
  if (g.art !== art) { g.innerHTML = art; g.art = art; }
  g.setAttribute("aria-label", kind === "v" ? nameOf(ref) : G.s[ref].path);
  g.style.transform = `translate(${x.toFixed(1)}px,${y.toFixed(1)}px)`;
}

function scopeAt(made, x, y, seen) {
  const {scope} = made;
  scope.routes.forEach((route, n) => {
    const [kind, ref] = scope.items[route.target];
    const ends = kind === VERTEX || (kind === SCOPE && !made.inner[ref]);
    const points = made.routes[n].map(([a, b]) => { const p = point(a, b); return [x + p[0], y + p[1]]; });
    const what = G.v[route.value].kind, faint = what === "parameter" || what === "constant";
    const path = make("path", {d: curve(points), class: "e" + (faint ? " faint" : "")}, layers.edges);
    if (ends) path.setAttribute("marker-end", "url(#ct-head)");
    edges.push({path, links: route.links});
    const labels = route.links.filter(k => G.l[k] && G.l[k].label).map(k => G.l[k].label);
    if (labels.length) {
      const [[x0, y0], [x1, y1]] = [points[1], points[2]], w = Math.max(...route.links.map(k => G.l[k].width || 0));
      const g = make("g", {}, layers.pills), cx = x0 + (x1 - x0) / 2, cy = y0 + (y1 - y0) / 2;
      make("rect", {x: cx - w / 2, y: cy - 10, width: w, height: 20, rx: 10, class: "pill"}, g);
      make("text", {x: cx, y: cy + 4.2, class: "loc"}, g).textContent = labels.join(", ");
    }
  });
  scope.items.forEach(([kind, ref], i) => {
    const p = point(...made.at[i]), px = x + p[0], py = y + p[1];
    if (kind === VERTEX) { seen.v.add(ref); node("v", ref, px, py); }
    else if (kind === SCOPE && !made.inner[ref]) { seen.s.add(ref); node("s", ref, px, py); }
    else if (kind === SCOPE) {
      const [w, h] = point(...made.size[i]), left = px - w / 2, top = py - h / 2, child = G.s[ref];
      const name = child.path.split(".").pop();
      const g = make("g", {}, layers.frames);
      const box = make("rect", {x: left, y: top, width: w, height: h, rx: 10, class: "frame"}, g);
      box.dataset.scope = ref;
      make("text", {x: left + 12, y: top + 17, class: "title start"}, g).textContent = name;
      make("text", {x: left + 18 + child.head, y: top + 17, class: "cls start"}, g).textContent = child.title;
      scopeAt(made.inner[ref], left + PAD, top + PAD + HEADER, seen);
    }
  });
}

// ---- view -----------------------------------------------------------------------------------------------------
function move(x, y, k) {
  state.view = [x, y, k];
  world.setAttribute("transform", `translate(${x.toFixed(2)} ${y.toFixed(2)}) scale(${k.toFixed(4)})`);
}
function fit(whole) {
  state.whole = whole;
  const {width, height} = stage.getBoundingClientRect(), [w, h] = extent;
  const k = Math.min(G.textbook ? 1.5 : 1.1, (width - 48) / w, Math.max((height - 48) / h, whole === true ? 0 : 0.7));
  move((width - w * k) / 2, Math.max((height - h * k) / 2, 24), k);
}
function centre(ref) {
  const g = shown.v.get(ref);
  if (!g) return;
  const [, x, y] = g.style.transform.match(/translate\((.+)px, ?(.+)px\)/), {width, height} = stage.getBoundingClientRect();
  const k = Math.max(state.view[2], 0.8);
  move(width / 2 - x * k, height / 2 - y * k, k);
}
stage.addEventListener("wheel", event => {
  event.preventDefault();
  const [x, y, k] = state.view, box = stage.getBoundingClientRect();
  const factor = Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0016)), to = Math.min(4, Math.max(0.04, k * factor));
  const px = event.clientX - box.left, py = event.clientY - box.top;
  move(px - (px - x) * to / k, py - (py - y) * to / k, to);
}, {passive: false});
let drag = null;
stage.addEventListener("pointerdown", event => {
  drag = {x: event.clientX, y: event.clientY, view: state.view, moved: false};
});
window.addEventListener("pointermove", event => {
  if (!drag) return;
  const dx = event.clientX - drag.x, dy = event.clientY - drag.y;
  if (Math.abs(dx) + Math.abs(dy) > 4) { drag.moved = true; stage.classList.add("drag"); }
  if (drag.moved) move(drag.view[0] + dx, drag.view[1] + dy, drag.view[2]);
});
window.addEventListener("pointerup", () => { setTimeout(() => { drag = null; }); stage.classList.remove("drag"); });

// ---- folding, choosing, details -------------------------------------------------------------------------------
function fold(ref, open, keep) {
  const before = keep && keep.getBoundingClientRect();
  if (open) state.open.add(ref); else for (const s of [ref, ...inside(ref)]) state.open.delete(s);
  glide(draw);
  if (before) {
    const g = open ? [...layers.frames.querySelectorAll("rect")].find(r => +r.dataset.scope === ref) : shown.s.get(ref);
    if (g) {
      const now = g.getBoundingClientRect(), [x, y, k] = state.view;
      move(x + (before.left + before.width / 2) - (now.left + now.width / 2), y + before.top - now.top, k);
    }
  }
}
const inside = ref => G.s.flatMap((s, n) => s.parent === ref ? [n, ...inside(n)] : []);
function glide(change) {
  stage.classList.add("moving");
  change();
  setTimeout(() => {
    stage.classList.remove("moving");
    for (const one of stage.getAnimations({subtree: true})) one.finish();
  }, 330);
}
function reveal(ref) {
  let s = G.v[ref].scope, changed = false;
  while (s) { if (!state.open.has(s)) { state.open.add(s); changed = true; } s = G.s[s].parent; }
  if (changed) draw();
}
stage.addEventListener("click", event => {
  if (drag && drag.moved) return;
  const g = event.target.closest(".v,.s"), frame = event.target.closest(".frame");
  if (g && g.classList.contains("v")) choose(+g.dataset.ref);
  else if (g) fold(+g.dataset.ref, true, g);
  else if (frame && frame.dataset.scope) fold(+frame.dataset.scope, false, frame);
  else choose(null);
});
const nameOf = ref => G.v[ref].name || G.v[ref].title;
const esc = text => String(text).replace(/[&<>"]/g, c => ({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}[c]));
const minus = n => typeof n === "number" ? String(n).replace("-", "−") : n;
function facts(f) {
  if (!f) return "";
  if ("item" in f) return minus(f.item);
  if (f.values) return "[" + f.values.map(minus).join(", ") + "]";
  const out = [];
  if ("norm" in f) out.push(`${words("norm")} ${minus(f.norm)}`);
  if ("mean" in f) out.push(`${words("mean")} ${minus(f.mean)}`);
  if ("min" in f) out.push(`${words("range")} ${minus(f.min)} … ${minus(f.max)}`);
  for (const bad of ["nan", "inf"]) if (f[bad]) out.push(`<b class="cg">${f[bad]} ${bad}</b>`);
  return out.join("<br>");
}
const size = n => n < 1024 ? n + " B" : n < 1048576 ? (n / 1024).toFixed(1) + " KiB" : (n / 1048576).toFixed(1) + " MiB";
const full = ref => G.v[ref].kind === "operation" && G.v[ref].name ? `${G.v[ref].title} ${G.v[ref].name}` : nameOf(ref);
const link = ref => `<a data-go="${ref}">${esc(full(ref))}</a>`;
function choose(ref, move_) {
  state.sel = ref;
  mark();
  const panel = $("panel");
  panel.hidden = ref === null;
  if (ref === null) return;
  const v = G.v[ref], rows = [];
  const row = (key, value) => { if (value !== "" && value !== undefined && value !== null) rows.push(`<dt>${words(key)}</dt><dd>${value}</dd>`); };
  row("value", v.value && `<span class="cv">${facts(v.value)}</span>`);
  row("gradient", v.gradient && `<span class="cg">${facts(v.gradient)}</span>`);
  row("shape", v.shape && (v.shape.length ? v.shape.join(" × ") : "()"));
  row("dtype", v.dtype);
  row("node", v.node && `<code>${esc(v.node)}</code>`);
  row("module", esc(v.module || ""));
  row("kept", v.bytes ? size(v.bytes) : "");
  const ins = [], outs = [];
  for (const l of G.l) {
    if (l.target === ref) {
      const local = l.local && facts(l.local);
      ins.push((l.parameter ? `<code>${esc(l.parameter)}</code> ` : "") + link(l.source)
        + (local ? ` <span class="cl">∂ = ${local}</span>` : ""));
    }
    if (l.source === ref) outs.push(link(l.target));
  }
  row("inputs", ins.join("<br>"));
  row("outputs", outs.join(", "));
  row("settings", Object.entries(v.settings || {}).map(([k, s]) => `<code>${esc(k)}=${esc(s)}</code>`).join("<br>"));
  let html = `<button class="close" aria-label="×">×</button><h2>${esc(nameOf(ref))}</h2>`
    + `<div class="sub">${words(v.kind)}${v.name && v.kind === "operation" ? " · " + esc(v.title) : ""}</div><dl>${rows.join("")}</dl>`;
  const rules = Object.entries(v.rule || {});
  if (rules.length) html += `<div class="sub" style="margin:8px 0 0">${words("rule")}</div><pre>`
    + rules.map(([p, r]) => `∂${esc(p)}: ${esc(r)}`).join("\n") + "</pre>";
  if (v.place) html += `<div class="sub" style="margin:8px 0 0">${words("line")} ${esc(v.place[0])}:${v.place[1]}</div>`
    + `<pre>${esc(v.place[2])}</pre>`;
  panel.innerHTML = html;
  if (move_) centre(ref);
}
$("panel").addEventListener("click", event => {
  if (event.target.closest(".close")) return choose(null);
  const go = event.target.closest("[data-go]");
  if (go) { reveal(+go.dataset.go); choose(+go.dataset.go, true); }
});

// ---- what is marked: the chosen one, what was found, where backward is ----------------------------------------
const order = G.v.map((v, i) => [v.order, i]).filter(([o]) => o !== null).sort((a, b) => a[0] - b[0]).map(([, i]) => i);
function mark() {
  const playing = state.step >= 0, now = playing ? order[state.step] : null;
  world.classList.toggle("playing", playing);
  const done = new Set(playing ? order.slice(0, state.step + 1) : []), hits = new Set(state.hits);
  for (const [ref, g] of shown.v) {
    g.classList.toggle("sel", ref === state.sel);
    g.classList.toggle("hit", hits.has(ref));
    g.classList.toggle("done", done.has(ref));
    g.classList.toggle("hot", ref === now);
  }
  for (const [ref, g] of shown.s) {
    const all = G.s[ref].all;
    g.classList.toggle("hit", all.some(v => hits.has(v)));
    g.classList.toggle("done", all.some(v => done.has(v)));
    g.classList.toggle("hot", all.includes(now));
  }
  for (const {path, links} of edges) {
    const real = links.map(k => k < 0 ? -1 - k : k);
    path.classList.toggle("lit", state.sel !== null && real.some(k => G.l[k].source === state.sel || G.l[k].target === state.sel));
    path.classList.toggle("hot", now !== null && real.some(k => G.l[k].target === now));
  }
}

// ---- backward -------------------------------------------------------------------------------------------------
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
function step(to) {
  state.step = Math.max(-1, Math.min(order.length - 1, to));
  $("at").value = state.step + 1;
  mark();
  say();
  layers.dots.replaceChildren();
  if (state.step < 0 || still) return;
  for (const {path, links} of edges) {
    if (!links.some(k => k >= 0 && G.l[k].target === order[state.step])) continue;
    const length = path.getTotalLength(), dot = make("circle", {r: 5, class: "dot"}, layers.dots), begun = performance.now();
    (function run(time) {
      const t = Math.min(1, (time - begun) / 420), p = path.getPointAtLength(length * (1 - Math.max(t, 0)));
      dot.setAttribute("cx", p.x);
      dot.setAttribute("cy", p.y);
      if (t < 1 && dot.isConnected) requestAnimationFrame(run); else dot.remove();
    })(begun);
  }
}
function say() {
  const out = $("say");
  if (state.step < 0) { out.textContent = words("hint"); return; }
  const ref = order[state.step], v = G.v[ref], top = esc(G.result), parts = [];
  const g = f => f && ("item" in f ? minus(f.item) : "norm" in f ? "|" + minus(f.norm) + "|" : "");
  for (const l of G.l) if (l.target === ref && l.gradient) {
    const name = esc(G.v[l.source].label || nameOf(l.source));
    parts.push(`<span class="cg">∂${top}/∂${name}</span> ${l.local && "item" in l.local ? `+= ${g(v.gradient)} · <span class="cl">${g(l.local)}</span>` : "+="} ${l.local && "item" in l.local ? "=" : ""} <span class="cg">${g(l.gradient)}</span>`);
  }
  if (!parts.length && v.gradient) parts.push(`<span class="cg">∂${top}/∂${esc(v.label || nameOf(ref))} = ${g(v.gradient)}</span>`);
  out.innerHTML = `${words("step")} ${state.step + 1} ${words("of")} ${order.length} · <b>${esc(v.module ? v.module + " · " : "")}${esc(v.kind === "operation" ? v.title : nameOf(ref))}</b> &nbsp; ${parts.join(" &nbsp; ")}`;
}
function play(on) {
  clearInterval(state.timer);
  state.timer = 0;
  if (on) {
    if (state.step >= order.length - 1) state.step = -1;
    step(state.step + 1);
    state.timer = setInterval(() => { if (state.step >= order.length - 1) play(false); else step(state.step + 1); },
      Math.max(60, Math.min(900, 30000 / order.length)));
  }
  $("play").textContent = state.timer ? "❚❚" : "▶";
  $("play").title = words(state.timer ? "pause" : "play");
}
$("play").onclick = () => play(!state.timer);
$("next").onclick = () => { play(false); step(state.step + 1); };
$("back").onclick = () => { play(false); step(state.step - 1); };
$("first").onclick = () => { play(false); step(-1); };
$("at").max = order.length;
$("at").oninput = event => { play(false); step(event.target.value - 1); };

// ---- search, language, theme ----------------------------------------------------------------------------------
function search(text, next) {
  const wanted = text.trim().toLowerCase();
  state.hits = !wanted ? [] : G.v.flatMap((v, i) =>
    [v.name, v.title, v.module, v.node, v.kind, v.place && v.place.join(" "), v.shape && v.shape.join("×")]
      .some(part => part && part.toLowerCase().includes(wanted)) ? [i] : []);
  state.hit = state.hits.length ? next ? (state.hit + 1) % state.hits.length : 0 : -1;
  $("found").textContent = wanted ? `${state.hits.length} ${words("found")}` : "";
  if (state.hit >= 0) { reveal(state.hits[state.hit]); centre(state.hits[state.hit]); if (next) choose(state.hits[state.hit]); }
  mark();
}
$("search").oninput = event => search(event.target.value);
$("search").onkeydown = event => { if (event.key === "Enter") search(event.target.value, true); };
function speak(lang) {
  state.lang = lang;
  document.documentElement.lang = lang;
  for (const g of document.querySelectorAll("[data-word]")) g.textContent = words(g.dataset.word);
  for (const g of document.querySelectorAll("[data-title]")) { g.title = words(g.dataset.title); g.setAttribute("aria-label", g.title); }
  $("search").placeholder = words("search");
  $("lang").textContent = lang === "zh" ? "English" : "中文";
  play(false);
  say();
  draw();
  if (state.sel !== null) choose(state.sel);
}
$("lang").onclick = () => speak(state.lang === "zh" ? "en" : "zh");
$("theme").onclick = () => {
  const root = document.documentElement, dark = getComputedStyle(document.body).getPropertyValue("--dark").trim() === "1";
  root.dataset.theme = dark ? "light" : "dark";
};
$("open").onclick = () => { G.s.forEach((_, n) => { if (n) state.open.add(n); }); glide(draw); fit(); };
$("close").onclick = () => { state.open.clear(); glide(draw); fit(); };
$("fit").onclick = () => fit(true);
$("open").hidden = $("close").hidden = G.s.length < 2;
document.addEventListener("keydown", event => {
  if (event.target.tagName === "INPUT") { if (event.key === "Escape") event.target.blur(); return; }
  const g = event.target.closest && event.target.closest(".v,.s");
  if (event.key === "/") { event.preventDefault(); $("search").focus(); }
  else if (event.key === "Enter" && g) g.dispatchEvent(new MouseEvent("click", {bubbles: true}));
  else if (event.key === " " && event.target.tagName !== "BUTTON") { event.preventDefault(); play(!state.timer); }
  else if (event.key === "ArrowRight") { play(false); step(state.step + 1); }
  else if (event.key === "ArrowLeft") { play(false); step(state.step - 1); }
  else if (event.key === "Escape") choose(null);
});
window.addEventListener("resize", () => fit(state.whole));
speak(G.lang);
fit();
document.documentElement.dataset.ready = "1";
