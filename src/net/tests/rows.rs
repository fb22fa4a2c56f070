//! The lines. How to read them: [`super`].

/// Sources of addresses: the connector's.
pub(super) const ADDRESSES: &str = "
// One host.
1 quick success            | list 4a | 4a ok+123        | | 4a@0 | won 4a@123         | |
2 slow success             | list 4a | 4a ok+100000     | | 4a@0 | won 4a@100000      | |
3 ready at once            | list 4a | 4a ok+0          | | 4a@0 | won 4a@0           | |
4 slow failure             | list 4a | 4a refused+100000| | 4a@0 | all failed@100000  | 4a refused@100000 |

// Pace: one start each delay, until somebody wins.
5 the third wins           | list 4a 4b 4c | 4a ok+1000, 4b ok+1000, 4c ok+200 |           | 4a@0 4b@250 4c@500 | won 4c@700  | 4a lost@700, 4b lost@700 |
6 the first, after all     | list 4a 4b 4c | 4a ok+600, 4b hang, 4c hang       |           | 4a@0 4b@250 4c@500 | won 4a@600  | 4b lost@600, 4c lost@600 |
7 a longer delay           | list 4a 4b 4c | 4a ok+1000, 4b ok+1000, 4c ok+200 | delay=450 | 4a@0 4b@450 4c@900 | won 4a@1000 | 4b lost@1000, 4c lost@1000 |

// A failure of the newest, or of the last in flight, starts the next at once; one of an older does not.
8 failures expedite        | list 4a 4b 4c 4d | 4a refused+100, 4b refused+200, 4c ok+10000, 4d ok+250 | | 4a@0 4b@100 4c@300 4d@550 | won 4d@800 | 4a refused@100, 4b refused@300, 4c lost@800 |
9 a failure moves the timer| list 6a 4a 6b | 6a hang, 4a refused+100, 6b ok+300 | | 6a@0 4a@250 6b@350 | won 6b@650 | 6a lost@650, 4a refused@350 |
10 three in one instant    | list 4a 4b 4c 4d 4e | 4a refused+500, 4b ok+10000, 4c ok+9000, 4d ok+8000, 4e refused+500 | delay=1000 | 4a@0 4b@500 4c@1500 4d@2500 4e@3500 | won 4b@10500 | 4a refused@500, 4c lost@10500, 4d lost@10500, 4e refused@4000 |
11 the other family second | list 4a 4b 6a | 4a refused+10000, 6a ok+500 | delay=1000 | 4a@0 6a@1000 | won 6a@1500 | 4a lost@1500 | 4b
13 no IPv6 on this host    | list 6a 4a 6b 4b | 6a unsupported+0, 4a ok+10000, 6b unsupported+0, 4b ok+100 | delay=1000 | 6a@0 4a@0 6b@1000 4b@1000 | won 4b@1100 | 6a unsupported@0, 4a lost@1100, 6b unsupported@1000 |
14 no addresses            | list | | | | nobody@0 | |
16 an older one fails      | list 6a 4a 6b | 6a refused+300, 4a hang, 6b ok+10 | | 6a@0 4a@250 6b@500 | won 6b@510 | 6a refused@300, 4a lost@510 |
17 the newest fails        | list 6a 4a 6b | 6a hang, 4a refused+10, 6b ok+5 | | 6a@0 4a@250 6b@260 | won 6b@265 | 6a lost@265, 4a refused@260 |
18 both in flight fail     | list 6a 4a 6b | 6a refused+300, 4a refused+50, 6b ok+5 | | 6a@0 4a@250 6b@300 | won 6b@305 | 6a refused@300, 4a refused@300 |
19 the first fails early   | list 6a 4a | 6a refused+40, 4a ok+60 | | 6a@0 4a@40 | won 4a@100 | 6a refused@40 |

// Of what happens in one instant, success is first, then failure, then what comes, then time.
20 success and timer       | list 6a 4a    | 6a ok+250                          | | 6a@0             | won 6a@250 | | 4a
21 failure and timer       | list 6a 4a 6b | 6a refused+250, 4a ok+300, 6b ok+1 | | 6a@0 4a@250 6b@500 | won 6b@501 | 6a refused@250, 4a lost@501 |
22 success and failure     | list 6a 4a 6b | 6a ok+300, 4a refused+50           | | 6a@0 4a@250      | won 6a@300 | 4a lost@300 | 6b
23 success and success     | list 6a 4a    | 6a ok+300, 4a ok+50                | | 6a@0 4a@250      | won 6a@300 | 4a lost@300 |
24 failure, then success   | list 6a 4a 6b | 6a refused+300, 4a ok+50           | | 6a@0 4a@250      | won 4a@300 | 6a refused@300 | 6b
25 nobody answers          | list 6a 6b 6c 4a | 6a hang, 4a hang, 6b hang, 6c hang | cancel=2000 | 6a@0 4a@250 6b@500 6c@750 | cancelled@2000 | 6a dropped@2000, 4a dropped@2000, 6b dropped@2000, 6c dropped@2000 |

// Families take turns.
26 dead IPv6               | list 6a 6b 4a | 6a hang, 4a ok+10 | | 6a@0 4a@250 | won 4a@260 | 6a lost@260 | 6b
28 IPv4 goes first         | list 4a 4b 6a | 4a hang, 6a ok+30 | | 4a@0 6a@250 | won 6a@280 | 4a lost@280 | 4b
29 one family              | list 4a 4b 4c | 4a hang, 4b hang, 4c ok+10 | | 4a@0 4b@250 4c@500 | won 4c@510 | 4a lost@510, 4b lost@510 |
30 an address given twice  | list 4a m4a 4a 4b | 4a refused+10, 4b ok+10 | | 4a@0 4b@10 | won 4b@20 | 4a refused@10 |
31 one family runs out     | list 6a 6b 6c 4a | 6a hang, 4a hang, 6b hang, 6c ok+10 | | 6a@0 4a@250 6b@500 6c@750 | won 6c@760 | 6a lost@760, 4a lost@760, 6b lost@760 |
32 IPv4 preferred          | list 6a 4a | 4a ok+40 | prefer=4 | 4a@0 | won 4a@40 | | 6a
33 two of the first family | list 6a 6b 6c 4a 4b | 6a hang, 6b hang, 4a hang, 6c ok+10 | head=2 | 6a@0 6b@250 4a@500 6c@750 | won 6c@760 | 6a lost@760, 6b lost@760, 4a lost@760 | 4b

// Both families are looked up, and IPv4 waits for IPv6 a little.
34 AAAA in time            | dns AAAA=6a,6b@40 A=4a,4b@30 | 6a ok+20 | | 6a@40 | won 6a@60 | | 4a 6b 4b
35 AAAA too late           | dns AAAA=6a@180 A=4a@30 | 4a hang, 6a ok+10 | | 4a@80 6a@330 | won 6a@340 | 4a lost@340 |
36 no AAAA in time         | dns AAAA=none@60 A=4a@30 | 4a ok+10 | | 4a@60 | won 4a@70 | |
37 AAAA fails in time      | dns AAAA=!servfail@60 A=4a@30 | 4a ok+10 | | 4a@60 | won 4a@70 | AAAA servfail |
38 no AAAA, then A         | dns AAAA=none@20 A=4a@60 | 4a ok+10 | | 4a@60 | won 4a@70 | |
39 no AAAA ever            | dns AAAA=open A=4a@30 | 4a ok+10 | | 4a@80 | won 4a@90 | |
40 no A ever               | dns AAAA=6a@5 A=open | 6a ok+3 | | 6a@5 | won 6a@8 | |
41 no such host            | dns AAAA=!nxdomain@20 A=!nxdomain@35 | | | | nobody@35 | AAAA nxdomain, A nxdomain |
42 neither has any         | dns AAAA=none@20 A=none@35 | | | | nobody@35 | |
43 all failed, more to come| dns AAAA=6a@500 A=4a@30 | 4a refused+10, 6a ok+10 | | 4a@80 6a@500 | won 6a@510 | 4a refused@90 |
44 AAAA on the last tick   | dns AAAA=6a@80 A=4a@30 | 6a ok+10 | | 6a@80 | won 6a@90 | | 4a
45 late AAAA takes its turn| dns AAAA=6a@180 A=4a,4b,4c@30 | 4a hang, 6a hang, 4b ok+10 | | 4a@80 6a@330 4b@580 | won 4b@590 | 4a lost@590, 6a lost@590 | 4c
46 no resolution delay     | dns AAAA=6a@21 A=4a@20 | 4a hang, 6a ok+10 | resolution=0 | 4a@20 6a@270 | won 6a@280 | 4a lost@280 |
47 IPv4 preferred, AAAA 1st| dns AAAA=6a@10 A=4a@40 | 4a ok+5 | prefer=4 | 4a@40 | won 4a@45 | | 6a
48 IPv4 preferred, too late| dns AAAA=6a@10 A=4a@70 | 6a hang, 4a ok+5 | prefer=4 | 6a@60 4a@310 | won 4a@315 | 6a lost@315 |
49 late AAAA moves no timer| dns AAAA=6a@90 A=4a@0 | 4a ok+400, 6a ok+10 | | 4a@50 6a@300 | won 6a@310 | 4a lost@310 |
50 late AAAA, two at first | dns AAAA=6a,6b@100 A=4a,4b@0 | 4a hang, 6a hang, 6b hang, 4b ok+10 | head=2 | 4a@50 6a@300 6b@550 4b@800 | won 4b@810 | 4a lost@810, 6a lost@810, 6b lost@810 |
51 no way to IPv6          | dns AAAA=6a@10 A=4a@10 | 4a hang, 6a ok+10 | ways=4 | 4a@10 6a@260 | won 6a@270 | 4a lost@270 |
dns1 no way to IPv4        | dns AAAA=6a@10 A=4a@10 | 6a ok+10 | ways=6 | 6a@10 | won 6a@20 | | 4a
dns2 a way is not enough   | dns AAAA=6a@10 A=4a@20 | 6a ok+30 | ways=4 | 6a@10 | won 6a@40 | | 4a
dns3 AAAA fails at once    | dns AAAA=!refused@0 A=!refused@0 | | | | nobody@0 | AAAA refused, A refused |
dns4 one fails, one dials  | dns AAAA=!servfail@40 A=4a@10 | 4a refused+5 | | 4a@40 | all failed@45 | 4a refused@45, AAAA servfail |
dns5 deadline in the lookup| dns AAAA=open A=open | | deadline=100 | | late@100 | AAAA no answer, A no answer |
dns6 deadline at the gate  | dns AAAA=open A=4a@30 | | deadline=60 | | late@60 | AAAA no answer | 4a

// Answers that change.
answers1 one is withdrawn  | dns AAAA=6a,6b@0 AAAA=6c@100 A=none@0 | 6a hang, 6c ok+10 | | 6a@0 6c@250 | won 6c@260 | 6a lost@260 |
answers2 all are withdrawn | dns AAAA=6a,6b@0 AAAA=none@100 A=open | 6a refused+200 | deadline=900 | 6a@0 | late@900 | 6a refused@200, A no answer |
answers3 the same again    | dns AAAA=6a@0 AAAA=6a,6b@100 A=none@0 | 6a hang, 6b ok+10 | | 6a@0 6b@250 | won 6b@260 | 6a lost@260 |
answers4 answer, then error| dns AAAA=6a,6b@0 AAAA=!lost@100 A=none@0 | 6a hang, 6b ok+10 | | 6a@0 6b@250 | won 6b@260 | 6a lost@260, AAAA lost |
answers5 error, then answer| dns AAAA=!lost@10 AAAA=6a@100 A=4a@20 | 4a hang, 6a ok+10 | | 4a@20 6a@270 | won 6a@280 | 4a lost@280, AAAA lost |
answers6 none, then some   | dns AAAA=none@10 AAAA=6a@100 A=none@20 | 6a ok+10 | | 6a@100 | won 6a@110 | |
answers7 gone before time  | dns AAAA=open A=4a@10 A=none@20 A=4b@30 | 4b ok+10 | | 4b@60 | won 4b@70 | |
answers8 in both answers    | dns AAAA=m4a@0 A=4a,4b@0 | 4a refused+10, 4b refused+10 | | 4b@0 4a@10 | all failed@20 | 4b refused@10, 4a refused@20 |

// Limits.
59 a limit for each        | list 6a 4a | 6a hang, 4a hang | limit=1000 | 6a@0 4a@250 | all failed@1250 | 6a timed out@1000, 4a timed out@1250 |
60 a limit starts the next | list 6a 4a 6b | 6a hang, 4a hang, 6b ok+10 | limit=100 | 6a@0 4a@100 6b@200 | won 6b@210 | 6a timed out@100, 4a timed out@200 |
limit1 success on the tick | list 6a 4a | 6a ok+100 | limit=100 | 6a@0 | won 6a@100 | | 4a
limit2 of an older one     | list 6a 4a 6b | 6a hang, 4a hang, 6b ok+10 | limit=400 | 6a@0 4a@250 6b@500 | won 6b@510 | 6a timed out@400, 4a lost@510 |
61 a deadline for all      | list 6a 4a 6b 4b | 6a hang, 4a hang, 6b hang | deadline=600 | 6a@0 4a@250 6b@500 | late@600 | 6a lost@600, 4a lost@600, 6b lost@600 | 4b
deadline1 on the start     | list 6a 4a | 6a hang | deadline=250 | 6a@0 | late@250 | 6a lost@250 | 4a
deadline2 on a success     | list 6a 4a | 6a ok+200 | deadline=200 | 6a@0 | won 6a@200 | | 4a
deadline3 on a failure     | list 6a 4a | 6a refused+200 | deadline=200 | 6a@0 | late@200 | 6a refused@200 | 4a
deadline4 over at once     | list 6a 4a | | deadline=0 | | late@0 | | 6a 4a
62 the oldest gives way    | list 6a 4a 6b 4b | 6a ok+900, 4a hang, 6b hang, 4b ok+40 | cap=2 | 6a@0 4a@250 6b@500 4b@750 | won 4b@790 | 6a evicted@500, 4a evicted@750, 6b lost@790 |
cap1 the last ones stay    | list 6a 4a 6b | 6a hang, 4a ok+5000, 6b hang | cap=2 | 6a@0 4a@250 6b@500 | won 4a@5250 | 6a evicted@500, 6b lost@5250 |
cap2 one, and one only     | list 6a 4a 6b | 6a hang, 4a hang, 6b ok+5 | cap=1 | 6a@0 4a@250 6b@500 | won 6b@505 | 6a evicted@250, 4a evicted@500 |
63 nobody gives way        | list 6a 4a 6b | 6a refused+900, 4a hang, 6b ok+40 | hold=2 | 6a@0 4a@250 6b@900 | won 6b@940 | 6a refused@900, 4a lost@940 |
hold1 the timer counts     | list 6a 4a 6b | 6a refused+300, 4a hang, 6b ok+40 | hold=2 | 6a@0 4a@250 6b@500 | won 6b@540 | 6a refused@300, 4a lost@540 |
hold2 limits make room     | list 6a 4a 6b | 6a hang, 4a hang, 6b ok+40 | hold=2 limit=800 | 6a@0 4a@250 6b@800 | won 6b@840 | 6a timed out@800, 4a lost@840 |
64 one after another       | list 6a 4a 6b | 6a refused+700, 4a refused+300, 6b ok+10 | delay=none | 6a@0 4a@700 6b@1000 | won 6b@1010 | 6a refused@700, 4a refused@1000 |
64b the first is awaited   | list 6a 4a | 6a ok+60000 | delay=none | 6a@0 | won 6a@60000 | | 4a

// Progress holds back the next, as long as who made it is in flight.
67 the handshake in time   | list 6a 4a | 6a further+200(500) ok+600 | | 6a@0 | won 6a@600 | | 4a
68 the handshake hangs     | list 6a 4a | 6a further+200(500), 4a ok+30 | | 6a@0 4a@700 | won 4a@730 | 6a lost@730 |
69 less than the delay     | list 6a 4a | 6a further+100(50), 4a ok+30 | | 6a@0 4a@250 | won 4a@280 | 6a lost@280 |
70 an older one's progress | list 6a 4a 6b | 6a further+300(400) ok+2000, 4a hang, 6b ok+30 | | 6a@0 4a@250 6b@700 | won 6b@730 | 6a lost@730, 4a lost@730 |
71 given back by a failure | list 6a 4a 6b | 6a further+300(1000) tls+600, 4a hang, 6b ok+30 | | 6a@0 4a@250 6b@600 | won 6b@630 | 6a tls@600, 4a lost@630 |
72 the newest one's failure| list 6a 4a 6b | 6a further+260(400), 4a refused+50, 6b ok+30 | | 6a@0 4a@250 6b@660 | won 6b@690 | 6a lost@690, 4a refused@300 |
further1 given back by limit| list 6a 4a 6b | 6a further+260(5000), 4a hang, 6b ok+30 | limit=600 | 6a@0 4a@250 6b@600 | won 6b@630 | 6a timed out@600, 4a lost@630 |
further2 the longer one counts| list 6a 4a | 6a further+100(600) further+200(100), 4a ok+30 | | 6a@0 4a@700 | won 4a@730 | 6a lost@730 |
further3 on the timer's tick | list 6a 4a | 6a further+250(100), 4a ok+30 | | 6a@0 4a@350 | won 4a@380 | 6a lost@380 |

// Faults of our own do not use up the list.
73 no descriptor left      | list 6a 4a 6b | 6a hang, 4a emfile+0, 6b ok+10 | | 6a@0 4a@250 6b@500 | won 6b@510 | 6a lost@510, 4a emfile@250 |
74 none, and nobody to wait| list 6a 4a | 6a emfile+0, 4a emfile+0 | | 6a@0 4a@0 | all failed@0 | 6a emfile@0, 4a emfile@0 |
75 none, then nobody       | list 6a 4a 6b | 6a refused+300, 4a emfile+0, 6b ok+10 | | 6a@0 4a@250 6b@300 | won 6b@310 | 6a refused@300, 4a emfile@250 |

// Ends from outside.
76 a panic                 | list 6a 4a 6b | 6a hang, 4a panic+10 | | 6a@0 4a@250 | panic 4a@260 | 6a dropped@260, 4a panicked@260 |
77 a cancellation          | list 6a 4a 6b | 6a hang, 4a hang | cancel=300 | 6a@0 4a@250 | cancelled@300 | 6a dropped@300, 4a dropped@300 |
78 cancelled in the lookup | dns AAAA=open A=open | | cancel=40 | | cancelled@40 | |
79 a thousand refuse       | list 4n0-999 | 4n0-999 refused+0 | | 4n0-999@0 | all failed@0 | 4n0-999 refused@0 |
";

/// Other sources: iterators and streams of anything.
pub(super) const OTHERS: &str = "
52 late, when it is time   | stream a@0 b@400 | a hang, b ok+10 | | a@0 b@400 | won b@410 | a lost@410 |
53 early, before it is time| stream a@0 b@100 | a hang, b ok+10 | | a@0 b@250 | won b@260 | a lost@260 |
54 all failed, one to come | stream a@0 b@700 | a refused+10, b ok+10 | | a@0 b@700 | won b@710 | a refused@10 |
55 ends with an error      | stream a@0 !lost@300 | a refused+10 | | a@0 | all failed@300 | a refused@10, lost |
56 never ends, but wins    | stream a@0 open | a ok+20 | | a@0 | won a@20 | |
57 is only an error        | stream !lost@30 | | | | nobody@30 | lost |
58 errors while one flies  | stream a@0 !lost@50 | a ok+200 | | a@0 | won a@200 | lost |
58b an error amid others   | stream a@0 !lost@50 b@50 | a hang, b ok+10 | | a@0 b@250 | won b@260 | a lost@260, lost |
stream1 at the timer's tick| stream a@0 b@250 | a hang, b ok+10 | | a@0 b@250 | won b@260 | a lost@260 |
stream2 ends, all failed   | stream a@0 | a refused+10 | | a@0 | all failed@10 | a refused@10 |
stream3 is silent          | stream open | | deadline=1000 | | late@1000 | |
stream4 is empty           | stream | | | | nobody@0 | |
stream5 one ahead, no more | stream a@0 b@0 c@0 | a ok+10 | | a@0 | won a@10 | | b
65 all at once             | items a b c | a ok+30, b ok+30, c hang | delay=0 | a@0 b@0 c@0 | won a@30 | b lost@30, c lost@30 |
66 all at once, one by one | stream a@0 b@20 c@20 | a hang, b ok+30, c hang | delay=0 | a@0 b@20 c@20 | won b@50 | a lost@50, c lost@50 |
items1 nobody              | items | | | | nobody@0 | |
items2 two at a time       | items a b c d | a refused+30, b refused+20, c ok+40, d hang | delay=0 hold=2 | a@0 b@0 c@20 d@30 | won c@60 | a refused@30, b refused@20, d lost@60 |
items3 hedged              | items a b c | a ok+90, b ok+5 | delay=50 | a@0 b@50 | won b@55 | a lost@55 | c
items4 whoever is new stays| items a b c d | a hang, b hang, c hang, d ok+1 | delay=0 cap=2 | a@0 b@0 c@0 d@0 | won d@1 | a evicted@0, b evicted@0, c lost@1 |
items5 a descriptor, or not| items a b | a emfile+10, b ok+10 | | a@0 b@10 | won b@20 | a emfile@10 |
items6 a panic at once     | items a b | a panic+0 | | a@0 | panic a@0 | a panicked@0 |
items7 cancelled on a start| items a b c | a hang, b hang | cancel=250 | a@0 b@250 | cancelled@250 | a dropped@250, b dropped@250 |
";
