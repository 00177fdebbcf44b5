use std::collections::{HashSet, VecDeque};

use super::*;

/// One process of a pair, with what it is about to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Process {
    sequence: Sequence,
    step: Do,
    is_alive: bool,
    /// It does nothing more, and is alive: stopped by a debugger, or waiting for a disk.
    is_stopped: bool,
    /// What it was sent and has not read.
    inbox: VecDeque<Kind>,
}

/// A step that can be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Do {
    Await,
    Send(Kind),
    Work(Kind),
    EndPeer,
    Ask,
    Serve(Reason),
    Leave(Reason),
}

impl From<Step> for Do {
    fn from(step: Step) -> Do {
        match step {
            Step::Await(_) => Do::Await,
            Step::Send(kind) => Do::Send(kind),
            Step::Work(kind) => Do::Work(kind),
            Step::EndPeer => Do::EndPeer,
            Step::AskWhetherEnded => Do::Ask,
            Step::Serve(reason) => Do::Serve(reason),
            Step::Leave(reason) => Do::Leave(reason),
        }
    }
}

impl Process {
    fn new(side: Side) -> Process {
        let (sequence, step) = Sequence::begin(side);
        let inbox = VecDeque::new();
        Process { sequence, step: step.into(), is_alive: true, is_stopped: false, inbox }
    }

    fn after(&self, input: Input) -> Process {
        let mut next = self.clone();
        next.step = next.sequence.handle(input).into();
        next
    }

    fn has_ended(&self) -> bool {
        matches!(self.step, Do::Serve(_) | Do::Leave(_))
    }

    /// Whether its end of the socket is open.
    fn is_connected(&self) -> bool {
        self.is_alive && !self.has_ended()
    }

    fn acts(&self) -> bool {
        self.is_alive && !self.is_stopped && !self.has_ended()
    }
}

/// Predecessor and successor.
type Pair = [Process; 2];

fn begin() -> Pair {
    [Process::new(Side::Predecessor), Process::new(Side::Successor)]
}

/// All that process `who` may do next: every input that its step can have.
fn moves(pair: &Pair, who: usize, patience: bool) -> Vec<Pair> {
    let (me, other) = (&pair[who], &pair[1 - who]);
    let after = |input| {
        let mut next = pair.clone();
        next[who] = me.after(input);
        next
    };
    match me.step {
        Do::Await => {
            if let Some(kind) = me.inbox.front() {
                let mut next = after(Input::Message(*kind));
                next[who].inbox.pop_front();
                return vec![next];
            }
            let mut all = Vec::new();
            if !other.is_connected() {
                all.push(after(Input::Closed));
            }
            // Without patience a wait may end whenever the other one is slow.
            if other.is_stopped || !patience {
                all.push(after(Input::TimedOut));
            }
            all
        }
        Do::Send(kind) => {
            let mut next = after(if other.is_connected() { Input::Done } else { Input::Failed });
            if other.is_connected() {
                next[1 - who].inbox.push_back(kind);
            }
            vec![next]
        }
        Do::Work(_) => vec![after(Input::Done), after(Input::Failed)],
        Do::EndPeer => {
            let mut next = after(Input::Done);
            next[1 - who].is_alive = false;
            vec![next]
        }
        Do::Ask => vec![after(if other.is_alive { Input::Failed } else { Input::Done })],
        Do::Serve(_) | Do::Leave(_) => Vec::new(),
    }
}

fn serves(process: &Process, reason_is_needed: bool) -> bool {
    match process.step {
        Do::Serve(_) => process.is_alive,
        // The predecessor serves until it leaves, or stands still with its state handed over.
        _ => reason_is_needed && process.is_alive && !matches!(process.step, Do::Leave(_)),
    }
}

/// Explores every order in which two processes can move, with every crash and stop of either, and
/// with waits that end too early. Returns every state that was seen.
fn explore(patience: bool) -> HashSet<Pair> {
    let (mut seen, mut open) = (HashSet::new(), vec![begin()]);
    while let Some(pair) = open.pop() {
        if !seen.insert(pair.clone()) {
            continue;
        }
        for who in 0..2 {
            if pair[who].acts() {
                open.extend(moves(&pair, who, patience));
                let mut killed = pair.clone();
                killed[who].is_alive = false;
                let mut stopped = pair.clone();
                stopped[who].is_stopped = true;
                open.extend([killed, stopped]);
            }
        }
    }
    seen
}

#[test]
fn never_do_two_processes_serve() {
    for patience in [false, true] {
        let seen = explore(patience);
        assert!(seen.len() > 100, "{} states", seen.len());
        for pair in &seen {
            let [predecessor, successor] = pair;
            // A successor that has decided to serve is alone, or the other one is ended by its own
            // next input, whatever that is: it has been told TAKEN.
            let is_taken = matches!(successor.step, Do::Serve(_)) && successor.is_alive;
            let resumes = matches!(predecessor.step, Do::Serve(_)) && predecessor.is_alive;
            assert!(!(is_taken && resumes), "both serve: {pair:#?}");
        }
    }
}

#[test]
fn one_process_serves_where_one_is_left_that_acts() {
    for pair in explore(true) {
        let [predecessor, successor] = &pair;
        let is_over = pair.iter().all(|process| !process.acts());
        if !is_over {
            continue;
        }
        let stands = |process: &Process| process.is_stopped && process.is_alive;
        let someone = serves(predecessor, true) || serves(successor, false);
        // A stopped process keeps what it holds. A crash of the predecessor before its state is
        // with the successor loses all, as any crash does, and so does one of the successor that
        // has said TAKEN.
        let lost = !predecessor.is_alive && !matches!(successor.step, Do::Serve(_))
            || matches!(predecessor.step, Do::Leave(_)) && !successor.is_alive;
        assert!(someone || lost || stands(successor), "nobody serves: {pair:#?}");
    }
}

#[test]
fn without_a_fault_the_successor_serves() {
    let mut pair = begin();
    let mut kinds = Vec::new();
    while pair.iter().any(|process| !process.has_ended()) {
        let who = (0..2).find(|who| pair[*who].acts() && !moves(&pair, *who, true).is_empty());
        let who = who.unwrap_or_else(|| panic!("both wait: {pair:#?}"));
        if let Do::Send(kind) = pair[who].step {
            kinds.push(kind);
        }
        pair = moves(&pair, who, true).swap_remove(0);
    }
    assert_eq!(pair[0].step, Do::Leave(Reason::Taken));
    assert_eq!(pair[1].step, Do::Serve(Reason::Taken));
    use Kind::{Base, Commit, Early, Held, Hello, Ready, Rings, State, Taken};
    assert_eq!(kinds, [Hello, Base, Rings, Early, Held, State, Ready, Commit, Taken]);
}

/// Runs the pair without faults until process `who` is about to do `step`, then kills or stops it
/// there, and runs the other one to its end.
fn with_a_fault(who: usize, step: Do, kills: bool) -> Do {
    let mut pair = begin();
    loop {
        if pair[who].step == step && (step != Do::Await || pair[who].inbox.is_empty()) {
            pair[who].is_alive = !kills;
            pair[who].is_stopped = !kills;
        }
        let next = (0..2).filter(|who| pair[*who].acts());
        let next = next.map(|who| moves(&pair, who, true)).find(|moves| !moves.is_empty());
        match next {
            Some(mut moves) => pair = moves.swap_remove(0),
            None => return pair[1 - who].step,
        }
    }
}

/// The table of docs/HANDOVER.md.
#[test]
fn a_fault_at_each_place_ends_as_the_table_says() {
    use Kind::{Base, Commit, Early, Held, Hello, Ready, Rings, State, Taken};
    let successor = 1;
    for (step, kills, then) in [
        (Do::Send(Hello), true, Do::Serve(Reason::PeerLeft(Hello))),
        (Do::Work(Base), true, Do::Serve(Reason::PeerLeft(Rings))),
        (Do::Work(Base), false, Do::Serve(Reason::PeerSilent(Rings))),
        (Do::Send(Rings), true, Do::Serve(Reason::PeerLeft(Rings))),
        (Do::Work(Early), true, Do::Serve(Reason::PeerLeft(Held))),
        (Do::Work(Early), false, Do::Serve(Reason::PeerSilent(Held))),
        (Do::Work(State), true, Do::Serve(Reason::PeerLeft(Ready))),
        (Do::Work(State), false, Do::Serve(Reason::PeerSilent(Ready))),
        (Do::Send(Ready), true, Do::Serve(Reason::PeerLeft(Ready))),
        (Do::Send(Taken), true, Do::Serve(Reason::PeerLeft(Taken))),
        (Do::Send(Taken), false, Do::Serve(Reason::PeerSilent(Taken))),
        (Do::Serve(Reason::Taken), true, Do::Leave(Reason::Taken)),
        (Do::Serve(Reason::Taken), false, Do::Leave(Reason::Taken)),
    ] {
        assert_eq!(with_a_fault(successor, step, kills), then, "{step:?} {kills}");
    }
    let predecessor = 0;
    for (step, kills, then) in [
        (Do::Work(Hello), true, Do::Leave(Reason::PeerLeft(Base))),
        (Do::Work(Hello), false, Do::Leave(Reason::PeerSilent(Base))),
        (Do::Work(Rings), true, Do::Leave(Reason::PeerLeft(Early))),
        (Do::Work(Rings), false, Do::Leave(Reason::PeerSilent(Early))),
        (Do::Work(Held), true, Do::Leave(Reason::PeerLeft(State))),
        (Do::Work(Held), false, Do::Leave(Reason::PeerSilent(State))),
        (Do::Send(State), true, Do::Leave(Reason::PeerLeft(State))),
        (Do::Send(Commit), true, Do::Serve(Reason::PeerEnded)),
        (Do::Send(Commit), false, Do::Leave(Reason::PeerSilent(Commit))),
        (Do::Leave(Reason::Taken), true, Do::Serve(Reason::Taken)),
    ] {
        assert_eq!(with_a_fault(predecessor, step, kills), then, "{step:?} {kills}");
    }
}

#[test]
fn every_kind_has_a_byte_of_its_own() {
    let known: Vec<_> = (0..=u8::MAX).filter_map(Kind::parse).collect();
    assert_eq!(known.len(), 10);
    assert!(known.iter().all(|kind| Kind::parse(*kind as u8) == Some(*kind)));
}
