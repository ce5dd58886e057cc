"""A straightforward CO2-Net training step, the baseline of `benchmarks/speed/train_step.py`.

It is written plainly, like public implementations: every block that the official model declares is
built (also the one that is never called), losses loop over pairs, classes and videos in Python, and
each class sorts its own scores. Parameter names are those of official checkpoints. It passes the
same fixtures as the package and shares no code with it.
"""

import torch
import torch.nn.functional as F
from torch import nn

MARGIN = 0.5
SLOPE = 0.2


class Consensus(nn.Module):
    """One cross-modal consensus module with its attention, channels first."""

    def __init__(self, dim, hidden):
        super().__init__()

        def describe():
            return nn.Sequential(
                nn.Conv1d(dim, dim, 3, padding=1), nn.LeakyReLU(SLOPE), nn.Dropout(0.5)
            )

        self.bit_wise_attn = describe()
        self.channel_conv = describe()
        self.attention = nn.Sequential(
            nn.Conv1d(dim, hidden, 3, padding=1),
            nn.LeakyReLU(SLOPE),
            nn.Dropout(0.5),
            nn.Conv1d(hidden, hidden, 3, padding=1),
            nn.LeakyReLU(SLOPE),
            nn.Conv1d(hidden, 1, 1),
            nn.Dropout(0.5),
            nn.Sigmoid(),
        )

    def forward(self, main, aux):
        """[B, D, T] twice -> attention [B, 1, T], gated main [B, D, T]."""
        channels = self.channel_conv(main.mean(2, keepdim=True))
        snippets = self.bit_wise_attn(aux)
        gated = torch.sigmoid(channels * snippets) * main
        return self.attention(gated), gated


class Network(nn.Module):
    """The model; `dim` per stream (1024), output time-major."""

    def __init__(self, num_classes, dim=1024, dropout=0.7, pool_kernel=1):
        super().__init__()
        wide = 2 * dim
        self.dim, self.pool_kernel = dim, pool_kernel
        self.vAttn = Consensus(dim, dim // 2)
        self.fAttn = Consensus(dim, dim // 2)
        self.feat_encoder = nn.Sequential(
            nn.Conv1d(wide, wide, 3, padding=1), nn.LeakyReLU(SLOPE), nn.Dropout(dropout)
        )
        self.fusion = nn.Sequential(
            nn.Conv1d(wide, wide, 1), nn.LeakyReLU(SLOPE), nn.Dropout(dropout)
        )
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Conv1d(wide, wide, 3, padding=1),
            nn.LeakyReLU(SLOPE),
            nn.Dropout(dropout),
            nn.Conv1d(wide, num_classes + 1, 1),
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv1d):
                nn.init.kaiming_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, x):
        """[B, T, 2D] -> dict of [B, T, *]."""
        x = x.transpose(1, 2)
        rgb, flow = x[:, : self.dim], x[:, self.dim :]
        rgb_attention, rgb = self.vAttn(rgb, flow.contiguous())
        flow_attention, flow = self.fAttn(x[:, self.dim :], x[:, : self.dim].contiguous())
        attention = (rgb_attention + flow_attention) / 2
        features = self.fusion(torch.cat([rgb, flow], 1))
        cas = self.classifier(features)
        if self.pool_kernel > 1:
            pool = nn.AvgPool1d(self.pool_kernel, 1, self.pool_kernel // 2)
            cas, attention = pool(cas), pool(attention)
            rgb_attention, flow_attention = pool(rgb_attention), pool(flow_attention)
        named = {"feat": features, "cas": cas, "attn": attention}
        named |= {"v_atn": rgb_attention, "f_atn": flow_attention}
        return {name: value.transpose(1, 2) for name, value in named.items()}


def mil(cas, labels, k):
    """Cross-entropy of the mean of each class's k largest, class by class, video by video."""
    losses = []
    for video in range(cas.shape[0]):
        scores = []
        for label in range(cas.shape[2]):
            ranked = torch.sort(cas[video, :, label], descending=True)[0]
            scores.append(ranked[:k].mean())
        target = labels[video] / (labels[video].sum() + 1e-4)
        losses.append(-(target * F.log_softmax(torch.stack(scores), 0)).sum())
    return torch.stack(losses).mean()


def similarity(features, cas, labels, pairs):
    """Co-activity similarity, pair by pair."""
    total, shared = 0, 0
    for pair in range(pairs):
        high, low = [], []
        for video in (2 * pair, 2 * pair + 1):
            weight = F.softmax(cas[video], 0)
            high.append(features[video].t() @ weight)
            low.append(features[video].t() @ ((1 - weight) / max(len(weight) - 1, 1)))

        def distance(a, b):
            return 1 - (a * b).sum(0) / (a.norm(dim=0) * b.norm(dim=0))

        near = distance(high[0], high[1])
        both = labels[2 * pair] * labels[2 * pair + 1]
        for far in (distance(high[0], low[1]), distance(high[1], low[0])):
            total = total + (0.5 * torch.relu(near - far + MARGIN) * both).sum()
        shared = shared + both.sum()
    return total / shared


def criterion(output, labels, pairs, divisor):
    """All terms and their weighted total; labels [B, C]."""
    cas, attention = output["cas"], output["attn"]
    floor = cas.min(2, keepdim=True)[0]
    suppressed = attention * (cas - floor) + floor
    k = max(1, cas.shape[1] // divisor)
    ones, zeros = torch.ones_like(labels[:, :1]), torch.zeros_like(labels[:, :1])
    background = F.softmax(cas, -1)[..., -1]
    terms = {
        "mil_orig": mil(cas, torch.cat([labels, ones], 1), k),
        "mil_supp": mil(suppressed, torch.cat([labels, zeros], 1), k),
        "cas_sim": similarity(output["feat"], suppressed, torch.cat([labels, zeros], 1), pairs),
        "mutual": 0.5 * F.mse_loss(output["v_atn"], output["f_atn"].detach())
        + 0.5 * F.mse_loss(output["f_atn"], output["v_atn"].detach()),
    }
    total = sum(terms.values())
    for prefix, name in (("", "attn"), ("v_", "v_atn"), ("f_", "f_atn")):
        terms[f"{prefix}norm"] = output[name].mean()
        terms[f"{prefix}guide"] = (1 - output[name].squeeze(-1) - background).abs().mean()
        total = total + 0.8 * (terms[f"{prefix}norm"] + terms[f"{prefix}guide"]) / 3
    return total, terms


class Step:
    """The model with Adam, stepped batch by batch."""

    def __init__(self, num_classes=20, lr=5e-5, weight_decay=1e-3, divisor=7):
        self.model, self.divisor = Network(num_classes).train(), divisor
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=lr, weight_decay=weight_decay)

    def __call__(self, features, labels, pairs=3):
        """One update; features [B, T, 2D], labels [B, C]; the loss."""
        total, _ = criterion(self.model(features), labels, pairs, self.divisor)
        self.optimizer.zero_grad()
        total.backward()
        self.optimizer.step()
        return total.item()
