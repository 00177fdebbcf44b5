import assert from "node:assert/strict";
import { test } from "node:test";
import { after, Backoff } from "../src/advice.js";
import { Places } from "../src/places.js";
import { handled, Subscription } from "../src/subscription.js";

const at = (seq, epoch = "e1") => ({ epoch, seq });

test("messages come once, in order, and what is missing is told once", () => {
  const places = new Places();
  assert.equal(places.confirm("c", at(5)), undefined);
  assert.deepEqual(places.arrive("c", 5), { isNew: false });
  assert.equal(places.arrive("c", 6).isNew, true);
  const { isNew, gap } = places.arrive("c", 9);
  assert.ok(isNew);
  assert.deepEqual(gap, { channel: "c", reason: "missing", from: 7, to: 8, missed: 2 });
  assert.deepEqual(places.arrive("c", 12, 9), { isNew: true });
  assert.deepEqual(places.all(), { c: at(12) });
});

test("a gap of the server moves the place, and is told once", () => {
  const places = new Places({ c: at(3) });
  const told = { from_seq: 4, to_seq: 8, missed: 5, reason: "slow" };
  assert.equal(places.skip("c", told)?.missed, 5);
  assert.equal(places.skip("c", told), undefined);
  assert.deepEqual(places.arrive("c", 9), { isNew: true });
});

test("a restart is told, and what the new log holds is taken", () => {
  const places = new Places({ c: at(70) });
  const told = { ...at(2, "e2"), oldest: 1, recovered: false, partial: true, reason: "restart" };
  assert.deepEqual(places.confirm("c", told), { channel: "c", reason: "restart" });
  assert.equal(places.arrive("c", 1).isNew, true);
  assert.equal(places.arrive("c", 2).isNew, true);
});

test("a log that does not reach back is told with how much is gone", () => {
  const places = new Places({ c: at(3) });
  const gap = places.confirm("c", { ...at(10), recovered: false, reason: "retention" });
  assert.deepEqual(gap, { channel: "c", reason: "retention", from: 4, to: 10, missed: 7 });
  // Where the server sends what it still has, its own gap comes first.
  const partial = new Places({ c: at(3) });
  const told = { ...at(10), oldest: 8, recovered: false, partial: true, reason: "retention" };
  assert.equal(partial.confirm("c", told), undefined);
  assert.ok(partial.skip("c", { from_seq: 4, to_seq: 7, missed: 4, reason: "retention" }));
  assert.deepEqual(partial.arrive("c", 8), { isNew: true });
});

test("older messages that were asked for are no repetition", () => {
  const places = new Places();
  places.confirm("c", { ...at(10), oldest: 1 }, { last: 3 });
  assert.deepEqual(places.arrive("c", 9), { isNew: true });
  assert.equal(places.arrive("c", 10).isNew, true);
  assert.ok(places.arrive("c", 12).gap);
});

test("a place without an epoch is not saved", () => {
  const places = new Places();
  places.arrive("c", 4);
  assert.deepEqual(places.all(), {});
});

test("close codes say whether to come back", () => {
  assert.equal(after(4001, false), "never");
  assert.equal(after(4001, true), "later");
  assert.equal(after(4005, true), "never");
  assert.equal(after(4101, false), "later");
  assert.equal(after(4201, true), "now");
  assert.equal(after(1006, false), "later");
});

test("waits grow, up to what the server advises", () => {
  const backoff = new Backoff(100, 1000, () => 1);
  assert.deepEqual([backoff.next(), backoff.next()], [100, 200]);
  backoff.advise({ base_ms: 50, max_ms: 300 });
  assert.deepEqual([backoff.next(), backoff.next()], [200, 300]);
  backoff.reset();
  assert.equal(backoff.next(), 50);
});

test("a message counts when its handler is through, and none comes after the end", async () => {
  const order = [];
  let go = () => {};
  const first = new Promise((resolve) => (go = resolve));
  const onMessage = async (n) => {
    if (n === 1) await first;
    order.push(n);
  };
  const one = new Subscription("c", { onMessage }, async () => {}, assert.fail);
  for (const n of [1, 2, 3]) one.hand("onMessage", n, "c", at(n - 1), at(n));
  assert.deepEqual(handled({ c: at(3) }, [one]), { c: at(0) });
  go();
  while (one.handled.get("c")?.seq !== 2) await null;
  await one.unsubscribe();
  while (one.waiting) await null;
  assert.ok(order.length < 4 && order[0] === 1 && order[1] === 2);
  one.hand("onMessage", 4, "c", at(3), at(4));
  assert.ok(!order.includes(4));
});
