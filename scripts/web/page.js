// What the scripts need on a page of MiniWoB: its own recorder without the server, and where elements are.
window.web = (() => {
  const later = window.setTimeout.bind(window);
  window.setTimeout = (act, ms, ...rest) => later(act, ms < 500 ? 0 : ms, ...rest); // people wait for these; scripts needn't
  window.alert = () => {};
  const FRAMED = ['mousedown', 'keydown', 'scroll']; // what can begin an action
  const KEPT = FRAMED.concat('mouseup', 'keyup');
  const web = { now: 0 };

  // The recorder that comes with the pages, fed by the persona's clock: the timeStamp of input. A scroll has that
  // of `web.scroll`, or of the input that made the page scroll.
  web.set = () => {
    const hidden = document.createElement('style');
    hidden.textContent = '#sync-task-cover { display: none !important; }';
    document.head.appendChild(hidden);
    core.EPISODE_MAX_TIME = 1e8;
    if (window.jQuery) jQuery.fx.off = true;
    recorder.endRecording = () => {}; // the states are taken, not sent
    recorder.addState = (event, action) => {
      if (!recorder.isRecording || !event || event.eventPhase !== Event.CAPTURING_PHASE || !KEPT.includes(action.type)) return;
      action.timing = event.eventPhase;
      if (action.type !== 'scroll') web.now = event.timeStamp;
      const state = { time: web.now, action };
      if (FRAMED.includes(action.type)) state.dom = core.getDOMInfo();
      recorder.data.states.push(state);
    };
    if (/social-media/.test(location.pathname)) // their sizes change under the pointer until they are there
      for (const icon of ['reply', 'retweet', 'like', 'more', 'share'])
        new Image().src = `../common/special/social-media/${icon}-hover.png`;
    if (window.wheelnav) {
      const create = wheelnav.prototype.createWheel;
      wheelnav.prototype.createWheel = function (...items) {
        this.animatetime = 0;
        this.animateeffect = 'linear';
        return create.apply(this, items);
      };
    }
    if (window.shapes) {
      const render = shapes.renderGrid, describe = shapes.generalDesc;
      shapes.renderGrid = (svg, grid) => { web.grid = grid; return render(svg, grid); };
      shapes.generalDesc = shape => web.wanted = describe(shape);
    }
    document.addEventListener('mousedown', event => { // no list drops down over the page, where no key and click is seen
      if (event.target.tagName === 'SELECT' && !event.target.multiple) { event.preventDefault(); event.target.focus(); }
    });
  };
  web.begin = (seed, at) => {
    Math.seedrandom(seed);
    web.now = at;
    core.cover_div.classList.remove('transparent');
    if (document.activeElement) document.activeElement.blur();
    core.startEpisodeReal();
  };
  web.ready = () => document.readyState === 'complete' && !!document.getElementById('sync-task-cover')
    && typeof recorder !== 'undefined' && !!recorder.setup;
  web.states = () => {
    recorder.isRecording = false;
    return JSON.stringify(recorder.data.states);
  };

  web.all = selector => [...document.querySelectorAll(selector)].filter(e => e.getClientRects().length);
  web.one = selector => web.all(selector)[0];
  web.text = (selector, text) => web.all(selector).find(e => e.textContent.trim() === text);
  web.box = found => {
    if (!found) return null;
    const box = found.getBoundingClientRect();
    return box.width > 0 && box.height > 0 ? [box.left, box.top, box.width, box.height] : null;
  };
  // A range over `text` where it stands below an element.
  web.range = (selector, text) => {
    const walk = document.createTreeWalker(document.querySelector(selector), NodeFilter.SHOW_TEXT);
    for (let node = walk.nextNode(); node; node = walk.nextNode()) {
      const at = node.data.indexOf(text);
      if (at < 0) continue;
      const range = document.createRange();
      range.setStart(node, at);
      range.setEnd(node, at + text.length);
      return range;
    }
  };
  // The first and last letter of a range.
  web.ends = range => {
    const boxes = range ? range.getClientRects() : [];
    if (!boxes.length) return null;
    const first = boxes[0], last = boxes[boxes.length - 1];
    return [first.left, first.top + first.height / 2, last.right, last.top + last.height / 2];
  };
  web.settled = () => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => later(done, 0))));
  web.scroller = element => {
    for (let e = element.parentElement; e && e !== document.body; e = e.parentElement)
      if (e.scrollHeight > e.clientHeight + 2 && /auto|scroll/.test(getComputedStyle(e).overflowY)) return e;
  };
  // The first of some points of an element, given as shares of its width and height, that nothing covers; and how far the
  // element is scrolled out of sight above (negative) or below. Beyond `bottom` nothing is recorded.
  web.place = (element, shares, bottom) => {
    const box = web.box(element);
    if (!box) return [null, 0];
    const [left, top, width, whole] = box, height = top < bottom ? Math.min(whole, bottom - top) : whole;
    const within = (start, size, share) => start + Math.min(1.5, size / 2) + Math.max(size - 3, 0) * Math.min(Math.max(share, 0), 1);
    const points = shares.map(([x, y]) => [within(left, width, x), within(top, height, y)]);
    const free = points.find(([x, y]) => {
      const met = document.elementFromPoint(x, y);
      return met && (element.contains(met) || met.contains(element));
    });
    const frame = web.scroller(element);
    let hidden = 0;
    if (frame) {
      const inner = element.getBoundingClientRect(), outer = frame.getBoundingClientRect();
      if (inner.top < outer.top - 1 && inner.bottom < outer.bottom) hidden = inner.top - outer.top;
      else if (inner.bottom > outer.bottom + 1) hidden = inner.bottom - outer.bottom;
    }
    return [free || points[0], hidden];
  };
  web.scroll = (element, pixels, at) => {
    const frame = element && (web.scroller(element) || element);
    web.now = at;
    if (frame) frame.scrollTop += pixels;
    return web.settled();
  };
  return web;
})();
