/**
 * Narinfos written by real Nix 2.8, one for each kind of content address that it can make, with
 * and without references. Made, in a new store, by
 *
 *     nix-store --generate-binary-cache-key narthex-test_key-1 secret public
 *     nix-store --add-fixed sha256|sha1|md5 flat            # "flat\n"
 *     nix-store --add-fixed --recursive sha256|sha512 tree  # a directory, in it "a" with "x"
 *     nix-build -E '
 *       let text = builtins.toFile "text" "plain text"; in
 *       derivation { name = "self-1.0"; system = "x86_64-linux"; builder = "/bin/sh";
 *                    args = [ "-c" "echo $out ${text} > $out" ]; }'
 *     nix store make-content-addressed …-self-1.0           # self-references and CA in one
 *     nix copy --all --to 'file:///cache?compression=none&secret-key=secret'
 *
 * and, for the text with a reference, `builtins.toFile "text-with-reference" "see ${text}"`.
 */

/** A throw-away key. */
export const NIX_SECRET_KEY =
  'narthex-test_key-1:Lqxw8Euv3mNAIbscMkhx+Tk/z2pBeqczSCAvlHTVyIYZp1XAVn0WCYwetW25P+/1u2y+IpR2mo1b/Og2b2KHqw==';
export const NIX_PUBLIC_KEY = 'narthex-test_key-1:GadVwFZ9FgmMHrVtuT/v9btsviKUdpqNW/zoNm9ih6s=';

/** By what is special about each. */
export const REAL_NARINFOS: Readonly<Record<RealNarinfo, string>> = {
  'input-addressed, referring to itself': `StorePath: /nix/store/7vk1iqj70h3hppxhq1vpd44lzv9kai4h-self-1.0
URL: nar/1zsk9rr8vk1ywnj4mmdaqhd4zk91qdxwmbn1zxaz3qd6f0afmim5.nar
Compression: none
FileHash: sha256:1zsk9rr8vk1ywnj4mmdaqhd4zk91qdxwmbn1zxaz3qd6f0afmim5
FileSize: 216
NarHash: sha256:1zsk9rr8vk1ywnj4mmdaqhd4zk91qdxwmbn1zxaz3qd6f0afmim5
NarSize: 216
References: 3vhhxym8zl4m076alawg5g1v2q17chg2-text 7vk1iqj70h3hppxhq1vpd44lzv9kai4h-self-1.0
Deriver: lkac2hmwf5jn9fa4pps8lj0mfiagrawk-self-1.0.drv
Sig: narthex-test_key-1:g/9TlH1JjyoM9Rcvg3fRZtms+fz/hEZ4T9kRBIm3d88cK/goTbLbGZLA5fYN7RiolqvL3Z8OWMNmTiE+yvyDDg==
`,
  'recursive sha256, referring to itself': `StorePath: /nix/store/25msscn3d2ch49jkav7hw7b8gqcma43z-self-1.0
URL: nar/012305ymiiyd2rmzg0shdqhv0s4dnmx8xy47r14hziy4p8d6im9d.nar
Compression: none
FileHash: sha256:012305ymiiyd2rmzg0shdqhv0s4dnmx8xy47r14hziy4p8d6im9d
FileSize: 216
NarHash: sha256:012305ymiiyd2rmzg0shdqhv0s4dnmx8xy47r14hziy4p8d6im9d
NarSize: 216
References: 25msscn3d2ch49jkav7hw7b8gqcma43z-self-1.0 s0996cps6vs0x6fxlmdiqclgwn0ylimz-text
Sig: narthex-test_key-1:Wf0wWAWBCzNLICA4p5KcpDPk6wbMkGbK4s6h1y6zwCurxYx6odOUBUheUoegmc/4IKYqET5Ka374NpHQkRWdCg==
CA: fixed:r:sha256:0rzn3s2adf073051s73yxm98igck34kh7ad93yjjbvd8bdkpg348
`,
  text: `StorePath: /nix/store/3vhhxym8zl4m076alawg5g1v2q17chg2-text
URL: nar/02ric55i89xlmg8kc10ivs8a150kl2zv72h2hdbyap9rwrc82p1g.nar
Compression: none
FileHash: sha256:02ric55i89xlmg8kc10ivs8a150kl2zv72h2hdbyap9rwrc82p1g
FileSize: 128
NarHash: sha256:02ric55i89xlmg8kc10ivs8a150kl2zv72h2hdbyap9rwrc82p1g
NarSize: 128
References: 
Sig: narthex-test_key-1:xhRHh3n1N5ITiImL2Ax1gABEb55Mdv0FomopynYdC7bggpf5nApcEEGn+Gm+LARfCRImZHTd3SZzNIWR5Z9aDg==
CA: text:sha256:1jajkrd96afybqfg812ijfvs499n9inzj8faxi02cgvv9kjzbv69
`,
  'flat sha1': `StorePath: /nix/store/44fx5dr1z4aympw4bh44nfsksbpglh2p-flat
URL: nar/1hz895vkrd9mfbmk89rj4i3ax1g1m3sbr4pqdwfa84bzbij5l27n.nar
Compression: none
FileHash: sha256:1hz895vkrd9mfbmk89rj4i3ax1g1m3sbr4pqdwfa84bzbij5l27n
FileSize: 120
NarHash: sha256:1hz895vkrd9mfbmk89rj4i3ax1g1m3sbr4pqdwfa84bzbij5l27n
NarSize: 120
References: 
Sig: narthex-test_key-1:ctoJgcrYo9/LX0O+KxiamtUg9htzr8Q74VkUp/uwOocsWM/pkzRsMh0SQbx75uRoOpEmeTpJFdgOzV7sbJEPAA==
CA: fixed:sha1:pplp5izjnj9j7sbk2hwv7dkbswqf61yj
`,
  'flat md5': `StorePath: /nix/store/6rcvw2fcyp9njvxd90zwi62ijbvcb2xs-flat
URL: nar/1hz895vkrd9mfbmk89rj4i3ax1g1m3sbr4pqdwfa84bzbij5l27n.nar
Compression: none
FileHash: sha256:1hz895vkrd9mfbmk89rj4i3ax1g1m3sbr4pqdwfa84bzbij5l27n
FileSize: 120
NarHash: sha256:1hz895vkrd9mfbmk89rj4i3ax1g1m3sbr4pqdwfa84bzbij5l27n
NarSize: 120
References: 
Sig: narthex-test_key-1:ek3KULvSAILG7VoEAIur8PqF2Cq3dQlgtwG4gx1TaslVOxC5nniViSnCboGaYoI6eMoW3Yqx3c91IZL6Em95Ag==
CA: fixed:md5:5k3537sv5p3dmsj6l9n59sm9f9
`,
  'flat sha256': `StorePath: /nix/store/ca1y6c916z1ck1dxi4rcrsfs9rzp728w-flat
URL: nar/1hz895vkrd9mfbmk89rj4i3ax1g1m3sbr4pqdwfa84bzbij5l27n.nar
Compression: none
FileHash: sha256:1hz895vkrd9mfbmk89rj4i3ax1g1m3sbr4pqdwfa84bzbij5l27n
FileSize: 120
NarHash: sha256:1hz895vkrd9mfbmk89rj4i3ax1g1m3sbr4pqdwfa84bzbij5l27n
NarSize: 120
References: 
Sig: narthex-test_key-1:KQBp86lrgSyDutkICTdxwyqHGxtdxrX+n+LApG2teWLu1u7kjuHhODoo8vOMsvyaMZt8LJ95JyBdKv3h9uZEBA==
CA: fixed:sha256:1xk2hhjr0f2n4adj1h688wlz59xpl86y1r8bd2pjasg8gy16mikb
`,
  'recursive sha256': `StorePath: /nix/store/iffs7gic68x200ljqqsq2w4vxg0dx2hs-tree
URL: nar/00a3r8cv7xaw55wjf3lb0gzmfpgsj083h29s5mslnml9k8c0w0zc.nar
Compression: none
FileHash: sha256:00a3r8cv7xaw55wjf3lb0gzmfpgsj083h29s5mslnml9k8c0w0zc
FileSize: 288
NarHash: sha256:00a3r8cv7xaw55wjf3lb0gzmfpgsj083h29s5mslnml9k8c0w0zc
NarSize: 288
References: 
Sig: narthex-test_key-1:60D3m3WVryO4IhyX6LNvoz/cDXiT/e0cRFRUsJfIKmgtyaZYIKHlrfRTkw+jWOo5LHE4S90KMeFz65XMl+H2Cg==
CA: fixed:r:sha256:00a3r8cv7xaw55wjf3lb0gzmfpgsj083h29s5mslnml9k8c0w0zc
`,
  'text with a reference': `StorePath: /nix/store/j5ccf0awxbc4lklswcib7vsg0jpaj3fk-text-with-reference
URL: nar/0vsd49c514a81jqzrlw1g5jncicd3rbqfzl5lsy3jrf2d859p14m.nar
Compression: none
FileHash: sha256:0vsd49c514a81jqzrlw1g5jncicd3rbqfzl5lsy3jrf2d859p14m
FileSize: 168
NarHash: sha256:0vsd49c514a81jqzrlw1g5jncicd3rbqfzl5lsy3jrf2d859p14m
NarSize: 168
References: 3vhhxym8zl4m076alawg5g1v2q17chg2-text
Sig: narthex-test_key-1:nmkYzc4gGOCq3HZDBJ1qSbsntaMC6g72V4Bciq+hpaqVWGeDxcqwk2UbxXvbjQyJKtjlCz/VCaAC/7T9/JpoBg==
CA: text:sha256:1js1xjw1xay4pww0nv0pf1vvlgi6zghllngqy3hpv8s7qzs4mpzi
`,
  derivation: `StorePath: /nix/store/lkac2hmwf5jn9fa4pps8lj0mfiagrawk-self-1.0.drv
URL: nar/00yr4nwh4smk5v8adhfsclk4fhap8dixz16p1pfiyqmyz7ymnzf4.nar
Compression: none
FileHash: sha256:00yr4nwh4smk5v8adhfsclk4fhap8dixz16p1pfiyqmyz7ymnzf4
FileSize: 480
NarHash: sha256:00yr4nwh4smk5v8adhfsclk4fhap8dixz16p1pfiyqmyz7ymnzf4
NarSize: 480
References: 3vhhxym8zl4m076alawg5g1v2q17chg2-text
Sig: narthex-test_key-1:gi+DcYaPGjLmsUQAJyTOPmpfhzTTjC5tTOO3x+oCHjhhU5QCnj2TV/FhE8KqMZj0sxlmi19ffov0b72Qbq98Ag==
CA: text:sha256:1sizi5pyzqh22isz1f7qyjc9vxllyw5yws2ap2200ps74j2ww5ds
`,
  'recursive sha512': `StorePath: /nix/store/rkpc0nm5l6wgxnlblbbxgvk3gin956s8-tree
URL: nar/00a3r8cv7xaw55wjf3lb0gzmfpgsj083h29s5mslnml9k8c0w0zc.nar
Compression: none
FileHash: sha256:00a3r8cv7xaw55wjf3lb0gzmfpgsj083h29s5mslnml9k8c0w0zc
FileSize: 288
NarHash: sha256:00a3r8cv7xaw55wjf3lb0gzmfpgsj083h29s5mslnml9k8c0w0zc
NarSize: 288
References: 
Sig: narthex-test_key-1:onYPPrFrihExp6zamrQzL8LtGAnZhTuCiEmdBciXiGdmy48r8otkgHcmCZoVAoWnGZM6aKuWLM8wk7Kkx5XtCQ==
CA: fixed:r:sha512:3qcydhqixxwxiw2yixq56lbycvx1y94lw57wkfx3llfp1igg5mh1lgjnkgqlkml4fr42s2r4vnlwnlsgs9g0ai12r5i7i6gziss0y2r
`,
  'recursive sha256 of a file': `StorePath: /nix/store/s0996cps6vs0x6fxlmdiqclgwn0ylimz-text
URL: nar/02ric55i89xlmg8kc10ivs8a150kl2zv72h2hdbyap9rwrc82p1g.nar
Compression: none
FileHash: sha256:02ric55i89xlmg8kc10ivs8a150kl2zv72h2hdbyap9rwrc82p1g
FileSize: 128
NarHash: sha256:02ric55i89xlmg8kc10ivs8a150kl2zv72h2hdbyap9rwrc82p1g
NarSize: 128
References: 
Sig: narthex-test_key-1:o6fS4o4kG6KYAXRPGFzbL83Uz+rZaOeZbLhmZzA7v8TkRa71ZgCchmzW4jPDLNIpgBz+aG8RTrR+NTkujAbWAw==
CA: fixed:r:sha256:02ric55i89xlmg8kc10ivs8a150kl2zv72h2hdbyap9rwrc82p1g
`,
};

export type RealNarinfo =
  | 'input-addressed, referring to itself'
  | 'recursive sha256, referring to itself'
  | 'text'
  | 'flat sha1'
  | 'flat md5'
  | 'flat sha256'
  | 'recursive sha256'
  | 'text with a reference'
  | 'derivation'
  | 'recursive sha512'
  | 'recursive sha256 of a file';
