"""Places, advice and subscriptions, without a server."""

import asyncio
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "src"))

from uringcast.advice import Backoff, after
from uringcast.errors import UringcastError
from uringcast.places import Gap, Places, Position
from uringcast.subscription import Message, Options, Subscription


def at(seq, epoch="e1", **more):
    return {"epoch": epoch, "seq": seq, **more}


class PlacesTest(unittest.TestCase):
    def test_messages_come_once_and_what_is_missing_is_told_once(self):
        places = Places()
        self.assertIsNone(places.confirm("c", at(5)))
        self.assertEqual(places.arrive("c", 5), (False, None))
        self.assertEqual(places.arrive("c", 6), (True, None))
        is_new, gap = places.arrive("c", 9)
        self.assertTrue(is_new)
        self.assertEqual(gap, Gap("c", "missing", 2, 7, 8, Position("e1", 8)))
        self.assertEqual(places.arrive("c", 12, 9), (True, None))
        self.assertEqual(places.all(), {"c": Position("e1", 12)})

    def test_a_gap_of_the_server_is_told_once(self):
        places = Places({"c": at(3)})
        told = {"from_seq": 4, "to_seq": 8, "missed": 5, "reason": "slow"}
        self.assertEqual(places.skip("c", told).missed, 5)
        self.assertIsNone(places.skip("c", told))
        self.assertEqual(places.arrive("c", 9), (True, None))

    def test_a_restart_is_told_and_the_new_log_is_taken(self):
        places = Places({"c": at(70)})
        told = at(2, "e2", oldest=1, recovered=False, partial=True, reason="restart")
        self.assertEqual(places.confirm("c", told).reason, "restart")
        self.assertEqual([places.arrive("c", n)[0] for n in (1, 2)], [True, True])

    def test_a_log_that_does_not_reach_back_is_told(self):
        gap = Places({"c": at(3)}).confirm("c", at(10, recovered=False, reason="retention"))
        self.assertEqual((gap.first, gap.last, gap.missed), (4, 10, 7))
        places = Places({"c": at(3)})
        told = at(10, oldest=8, recovered=False, partial=True, reason="retention")
        self.assertIsNone(places.confirm("c", told), "the server's own gap comes first")
        told = {"from_seq": 4, "to_seq": 7, "missed": 4, "reason": "retention"}
        self.assertIsNotNone(places.skip("c", told))
        self.assertEqual(places.arrive("c", 8), (True, None))

    def test_older_messages_that_were_asked_for_are_taken(self):
        places = Places()
        places.confirm("c", at(10, oldest=1), last=3)
        self.assertEqual(places.arrive("c", 9), (True, None))
        self.assertEqual(places.arrive("c", 10), (True, None))

    def test_a_place_without_an_epoch_is_not_saved(self):
        places = Places()
        places.arrive("c", 4)
        self.assertEqual(places.all(), {})


class AdviceTest(unittest.TestCase):
    def test_close_codes_say_whether_to_come_back(self):
        told = [after(4001, False), after(4001, True), after(4005, True), after(4201, True)]
        self.assertEqual(told, ["never", "later", "never", "now"])
        self.assertEqual([after(1006, False), after(4101, False)], ["later", "later"])

    def test_waits_grow_up_to_what_the_server_advises(self):
        backoff = Backoff(0.1, 1.0, lambda: 1.0)
        self.assertEqual([backoff.next(), backoff.next()], [0.1, 0.2])
        backoff.advise({"base_ms": 50, "max_ms": 300})
        self.assertEqual([backoff.next(), backoff.next()], [0.2, 0.3])


async def leave(_):
    pass


def message(n):
    return Message("c", "e", {}, n, Position("e1", n))


class SubscriptionTest(unittest.IsolatedAsyncioTestCase):
    def subscription(self, **options):
        return Subscription("c", Options(**options), leave, lambda: None, buffer=2)

    async def test_an_item_counts_when_the_next_one_is_asked_for(self):
        one = self.subscription()
        one.hand(message(1))
        one.hand(message(2))
        self.assertTrue(one.is_full)
        items = aiter(one)
        await anext(items)
        self.assertEqual(one.handled, {})
        await anext(items)
        self.assertEqual(one.handled, {"c": Position("e1", 1)})

    async def test_nothing_comes_after_unsubscribing(self):
        one = self.subscription()
        one.hand(message(1))
        await one.unsubscribe()
        one.hand(message(2))
        self.assertEqual([item async for item in one], [])

    async def test_what_has_come_is_handed_over_before_an_error(self):
        one = self.subscription()
        one.hand(message(1))
        one.end(UringcastError("gone", "FORBIDDEN"))
        seen = []
        with self.assertRaises(UringcastError):
            async for item in one:
                seen.append(item)
        self.assertEqual(seen, [message(1)])

    async def test_a_callback_that_fails_does_not_stop_the_next(self):
        seen = []

        def take(item):
            seen.append(item.seq)
            raise ValueError("the application's fault")

        one = self.subscription(on_message=take)
        with self.assertLogs("uringcast"):
            one.hand(message(1))
            one.hand(message(2))
            await asyncio.sleep(0.01)
        self.assertEqual(seen, [1, 2])
        one.close()


if __name__ == "__main__":
    unittest.main()
