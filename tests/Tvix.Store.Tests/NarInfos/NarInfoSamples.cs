namespace Tvix.Store.Tests.NarInfos;

/// <summary>Records of real caches, and of one made for tests.</summary>
internal static class NarInfoSamples
{
    public const string OfficialKey = "cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=";
    public const string SecondKeyOfCurl = "test1:tLAEn+EeaBUJYqEpTd2yeerr7Ic6+0vWe+aXL/vYUpE=";

    // A throw-away key.
    public const string TestSecret = "test-1:kjjY6cykg1XdWI3gk0q7dhJbSCYLNGlKEK5QGifQmFCAh6VQyUEDzq12eOU2DiuMkHC/UDTgk4Bdw61fPwN54Q==";
    public const string TestKey = "test-1:gIelUMlBA86tdnjlNg4rjJBwv1A04JOAXcOtXz8DeeE=";

    public const string Curl = """
        StorePath: /nix/store/syd87l2rxw8cbsxmxl853h0r6pdwhwjr-curl-7.82.0-bin
        URL: nar/05ra3y72i3qjri7xskf9qj8kb29r6naqy1sqpbs3azi3xcigmj56.nar.xz
        Compression: xz
        FileHash: sha256:05ra3y72i3qjri7xskf9qj8kb29r6naqy1sqpbs3azi3xcigmj56
        FileSize: 68852
        NarHash: sha256:1b4sb93wp679q4zx9k1ignby1yna3z7c4c2ri3wphylbc2dwsys0
        NarSize: 196040
        References: 0jqd0rlxzra1rs38rdxl43yh6rxchgc6-curl-7.82.0 6w8g7njm4mck5dmjxws0z1xnrxvl81xa-glibc-2.34-115 j5jxw3iy7bbz4a57fh9g2xm2gxmyal8h-zlib-1.2.12 yxvjs9drzsphm9pcf42a4byzj1kb9m7k-openssl-1.1.1n
        Deriver: 5rwxzi7pal3qhpsyfc16gzkh939q1np6-curl-7.82.0.drv
        Sig: cache.nixos.org-1:TsTTb3WGTZKphvYdBHXwo6weVILmTytUjLB+vcX89fOjjRicCHmKA4RCPMVLkj6TMJ4GMX3HPVWRdD1hkeKZBQ==
        Sig: test1:519iiVLx/c4Rdt5DNt6Y2Jm6hcWE9+XY69ygiWSZCNGVcmOcyL64uVAJ3cV8vaTusIZdbTnYo9Y7vDNeTmmMBQ==

        """;

    public const string CurlFingerprint =
        "1;/nix/store/syd87l2rxw8cbsxmxl853h0r6pdwhwjr-curl-7.82.0-bin;sha256:1b4sb93wp679q4zx9k1ignby1yna3z7c4c2ri3wphylbc2dwsys0;196040;"
        + "/nix/store/0jqd0rlxzra1rs38rdxl43yh6rxchgc6-curl-7.82.0,/nix/store/6w8g7njm4mck5dmjxws0z1xnrxvl81xa-glibc-2.34-115,"
        + "/nix/store/j5jxw3iy7bbz4a57fh9g2xm2gxmyal8h-zlib-1.2.12,/nix/store/yxvjs9drzsphm9pcf42a4byzj1kb9m7k-openssl-1.1.1n";

    // Its references are out of order, and its signature is over that order.
    public const string Gcc = """
        StorePath: /nix/store/xi429w4ddvb1r77978hm7jfb2jsn559r-gcc-3.4.6
        URL: nar/1hr09cgkyw1hcsfkv5qp5jlpmf2mqrkrqs3xj5zklq9c1h9544ff.nar.bz2
        Compression: bzip2
        FileHash: sha256:1hr09cgkyw1hcsfkv5qp5jlpmf2mqrkrqs3xj5zklq9c1h9544ff
        FileSize: 4006
        NarHash: sha256:0ik9mpqxpd9hv325hdblj2nawqj5w7951qdyy8ikxgwr6fq7m11c
        NarSize: 21264
        References: a8922c0h87iilxzzvwn2hmv8x210aqb9-glibc-2.7 7w2acjgalb0cm7b3bg8yswza4l7iil9y-binutils-2.18 mm631h09mj964hm9q04l5fd8vw12j1mm-bash-3.2-p39 nx2zs2qd6snfcpzw4a0jnh26z9m0yihz-gcc-3.4.6 xi429w4ddvb1r77978hm7jfb2jsn559r-gcc-3.4.6
        Deriver: 2dzpn70c1hawczwhg9aavqk18zp9zsva-gcc-3.4.6.drv
        Sig: cache.nixos.org-1:o1DTsjCz0PofLJ216P2RBuSulI8BAb6zHxWE4N+tzlcELk5Uk/GO2SCxWTRN5wJutLZZ+cHTMdWqOHF88KGQDg==

        """;

    // The line of the references ends in a space.
    public const string Text =
        "StorePath: /nix/store/7hdk8qb9nscfnjpv2h2fgsjia36908lr-dep.txt\n"
        + "URL: nar/13w19wwvpfqyfq1fixzqjphj7dil4vlv9gada02f9kpl04qnmkw4.nar\n"
        + "Compression: none\n"
        + "FileHash: sha256:13w19wwvpfqyfq1fixzqjphj7dil4vlv9gada02f9kpl04qnmkw4\n"
        + "FileSize: 128\n"
        + "NarHash: sha256:13w19wwvpfqyfq1fixzqjphj7dil4vlv9gada02f9kpl04qnmkw4\n"
        + "NarSize: 128\n"
        + "References: \n"
        + "Sig: test-1:J+en6/P/jk1ucHuDbshzUxNes4koKkqPOZ9V2j/ZywVm79KJj2DVD8/JU3x5pbGSqr+ESEV18Gq0c6ZmW6hPDg==\n"
        + "CA: text:sha256:1i0xww8znqa2wqbggkmgxy6was90nqc60b4wpv4hvwv1460id9dl\n";

    public const string TextFingerprint =
        "1;/nix/store/7hdk8qb9nscfnjpv2h2fgsjia36908lr-dep.txt;sha256:13w19wwvpfqyfq1fixzqjphj7dil4vlv9gada02f9kpl04qnmkw4;128;";

    public const string Main = """
        StorePath: /nix/store/i9q0aqbnkznrwn61m9a640jgvq06b8ih-main-1.0
        URL: nar/071zb1j97mc9jly8wv7xwg1snj8n5f6iyk4h59ih7ab9if65yr8q.nar
        Compression: none
        NarHash: sha256:071zb1j97mc9jly8wv7xwg1snj8n5f6iyk4h59ih7ab9if65yr8q
        NarSize: 1216
        References: 7hdk8qb9nscfnjpv2h2fgsjia36908lr-dep.txt a17ah642xc653fw8pfw4kxqcgzjm5qi0-fixed-hello i9q0aqbnkznrwn61m9a640jgvq06b8ih-main-1.0
        Deriver: 71y3wghfy614gy0vf7bbq9qiwcw18myk-main-1.0.drv
        Sig: test-1:VBHUfatfG+5Po8i/ku966TUigq1rVLC5Eq/Vgc31dsOCE7f1sBP8TYeADxcPOJrFoHIyL4dZMjjOJR90U/B+Aw==

        """;
}
